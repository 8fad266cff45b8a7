package mcmicro

/** Name of an image without .ome.tif and the like. */
static def getImageID(file) {
    file.baseName.toString().replaceFirst(/\.ome$/, '')
}

/** A word for the shell. */
static def escapeForShell(word) {
    def quote = "'"
    quote + word.toString().split(quote, -1).join("'\\''") + quote
}

// End a run while a file is being published: a job that reads a pipe stands for the copy.
workflow {
    def session = nextflow.Global.session
    def copied = file(params.copied)
    def pipe = file(params.pipe)
    def begun = new java.util.concurrent.CountDownLatch(1)
    def copy = {
        begun.countDown()
        copied.text = pipe.text
    }
    session.publishDirExecutorService().submit(copy as Runnable)
    begun.await()
    workflow.onComplete {
        println('WAITING')
        Published.await()
        println("RESULT ${copied.exists()}")
    }
    session.abort()
}

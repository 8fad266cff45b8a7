workflow viz {
  take:
    mcp
    imgs
    markers

  main:
    shown = imgs.filter{ mcp.workflow.viz }.combine(markers)

  emit:
    shown
}

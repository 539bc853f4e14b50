"""Run by the system's Python with LibreOffice's bridge: accepts or rejects all changes of a document, as text.

Arguments: the office program, a folder for its settings, the document, accept or reject, and where the text goes. Prints
how many tracked changes and comments it saw.
"""

import contextlib
import os
import subprocess
import sys
import time

import uno
from com.sun.star.beans import PropertyValue


def setting(name, value):
    found = PropertyValue()
    found.Name, found.Value = name, value
    return found


office, home, source, mode, target = sys.argv[1:6]
pipe = f"cadre{time.time_ns()}"
program = subprocess.Popen(
    [office, "--headless", "--norestore", f"-env:UserInstallation=file://{home}", f"--accept=pipe,name={pipe};urp;"]
)
try:
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    for _ in range(120):
        try:
            context = resolver.resolve(f"uno:pipe,name={pipe};urp;StarOffice.ComponentContext")
            break
        except Exception:
            time.sleep(0.5)
    services = context.ServiceManager
    desktop = services.createInstanceWithContext("com.sun.star.frame.Desktop", context)
    document = desktop.loadComponentFromURL(f"file://{source}", "_blank", 0, (setting("Hidden", True),))

    def count(things):
        walk, number = things.createEnumeration(), 0
        while walk.hasMoreElements():
            walk.nextElement()
            number += 1
        return number

    print(count(document.getRedlines()), count(document.getTextFields()))
    helper = services.createInstanceWithContext("com.sun.star.frame.DispatchHelper", context)
    frame = document.getCurrentController().getFrame()
    helper.executeDispatch(frame, f".uno:{mode.title()}AllTrackedChanges", "", 0, ())
    document.storeToURL(
        f"file://{target}", (setting("FilterName", "Text (encoded)"), setting("FilterOptions", "UTF8,LF,,,"))
    )
    document.close(True)
    with contextlib.suppress(Exception):  # it is gone before it answers
        desktop.terminate()
    program.wait(30)
    sys.stdout.flush()
    os._exit(0)  # the bridge does not survive the end of the program it talks to
finally:
    program.kill()

"""A Celery application whose master makes a client and a call before it forks its workers."""

from __future__ import annotations

import os

from celery import Celery  # type: ignore[import-untyped]

from theazo import Theazo

folder = os.environ["TASKS"]
app = Celery("tasks", broker="filesystem://", backend=f"file://{folder}")
app.conf.broker_transport_options = {
    "data_folder_in": folder,
    "data_folder_out": folder,
    "control_folder": f"{folder}/control",
}
app.conf.worker_hijack_root_logger = False

THEAZO = Theazo()
MASTER = THEAZO.sessions.get("ses_1").id, os.getpid()


@app.task(name="ask")  # type: ignore[untyped-decorator]
def ask() -> list[object]:
    """Asks for the session again, in the worker."""
    return [THEAZO.sessions.get("ses_1").id, os.getpid() != MASTER[1]]

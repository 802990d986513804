#!/usr/bin/python3
"""Stands in for Chromium: takes its arguments, loads the page through the proxy, and leaves what it saw as the picture."""

import json
import os
import socket
import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

options = dict(argument[2:].partition("=")[::2] for argument in sys.argv[1:] if argument.startswith("--"))
page = sys.argv[-1]
proxied = urllib.request.ProxyHandler({"http": options["proxy-server"]})
opener = urllib.request.build_opener(proxied)


def load(address):
    try:
        return opener.open(address, timeout=30).read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode().strip()}"


def connects(address):
    try:
        socket.create_connection(address, 5).close()
        return True
    except OSError:
        return False


text = load(page)
if text == "break":
    sys.exit("the stand-in broke")
seen = {
    "page": page,
    "text": text,
    "parts": [load(line) for line in text.splitlines() if line.startswith("http://")],
    "size": options["window-size"],
    "bypass": options["proxy-bypass-list"],
    "direct": connects(("1.1.1.1", 443)) or connects(("127.0.0.1", urlsplit(page).port or 80)),
    "files": sorted(os.listdir("/workspace")),
    "user": os.getuid(),
    "environment": sorted(os.environ),
}
with open(options["screenshot"], "wb") as picture:
    picture.write(b"\x89PNG\r\n\x1a\n" + json.dumps(seen).encode())

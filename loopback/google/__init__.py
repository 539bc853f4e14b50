"""A Google Workspace on loopback: Drive v3, Docs v1 and Sheets v4 from a folder of files.

Requests are checked against the discovery documents that google-api-python-client ships, so that what this
server accepts is what the published interface accepts.
"""

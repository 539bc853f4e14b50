"""Drive of the stand-in, asked by Google's own client."""

from collections.abc import Iterator

import pytest
from google_harness import Google, refused, running, seed
from googleapiclient.http import MediaInMemoryUpload

DOC = "application/vnd.google-apps.document"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with running(seed(tmp_path_factory.mktemp("drive"))) as started:
        yield started


@pytest.fixture
def google(server: Google) -> Google:
    server.post("/_local/reset", {})
    return server


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("name = 'Plan'", ["Plan"]),
        ("name contains 'ru'", ["Rules"]),
        ("name contains 'ules'", []),
        (f"mimeType = '{DOC}'", ["Rules"]),
        ("mimeType contains 'text/'", ["Notes.md", "people.csv"]),
        ("fullText contains 'harbour'", ["Notes.md"]),
        ("fullText contains '\"starts in may\"'", ["Notes.md"]),
        ("fullText contains 'harbour' or name = 'Plan'", ["Notes.md", "Plan"]),
        ("not name = 'Plan' and not mimeType contains 'text/'", ["Rules", "Team"]),
        ("(name = 'Plan' or name = 'Rules') and trashed = false", ["Plan", "Rules"]),
        ("modifiedTime > '2020-01-01T00:00:00Z' and trashed = true", []),
        ("name = 'it\\'s'", []),
    ],
)
def test_the_search_language_selects_as_drive_does(google: Google, query: str, names: list[str]):
    found = google.drive().files().list(q=query, orderBy="name").execute()["files"]
    assert [f["name"] for f in found] == names


def test_files_of_a_folder_are_found_by_their_parent(google: Google):
    found = google.drive().files().list(q=f"'{google.named('Team')}' in parents").execute()["files"]
    assert {f["name"] for f in found} == {"people.csv", "Notes.md"}


@pytest.mark.parametrize("query", ["name like 'x'", "name =", "colour = 'red'", "name = 'a' and", "(name = 'a'"])
def test_a_query_that_cannot_be_read_is_an_invalid_value(google: Google, query: str):
    status, error = refused(google.drive().files().list(q=query))
    assert status == 400
    assert error["message"] == "Invalid Value"
    assert error["errors"][0]["location"] == "q"


def test_lists_come_in_pages_without_losing_a_file(google: Google):
    files, seen, request = google.drive().files(), [], None
    request = files.list(pageSize=2, orderBy="name")
    while request is not None:
        page = request.execute()
        seen += [f["name"] for f in page["files"]]
        request = files.list_next(request, page)
    assert seen == ["Notes.md", "Plan", "Rules", "Team", "people.csv"]


def test_only_the_asked_fields_come_back(google: Google):
    page = (
        google.drive().files().list(q="name = 'people.csv'", fields="files(name,size,owners/displayName)").execute()
    )
    assert page == {"files": [{"name": "people.csv", "size": "44", "owners": [{"displayName": "owner"}]}]}


def test_a_field_that_does_not_exist_is_refused(google: Google):
    status, error = refused(google.drive().files().list(fields="files(colour)"))
    assert (status, error["message"]) == (400, "Invalid field selection files/colour")


def test_unknown_names_in_query_and_body_are_refused_in_googles_words(google: Google):
    status, answer = google.post("/drive/v3/files", {"name": "x", "colour": 1}, Authorization="Bearer U1")
    assert status == 400
    assert answer["error"]["message"] == 'Invalid JSON payload received. Unknown name "colour": Cannot find field.'
    status, text = google.get("/drive/v3/files?colour=red", Authorization="Bearer U1")
    assert status == 400
    assert 'Unknown name \\"colour\\"' in text


def test_nobody_reads_without_a_token(google: Google):
    status, text = google.get("/drive/v3/files")
    assert status == 401
    assert "missing required authentication credential" in text


def test_a_required_parameter_is_asked_for(google: Google):
    status, text = google.get(f"/drive/v3/files/{google.named('Rules')}/export", Authorization="Bearer U1")
    assert status == 400
    assert "Required parameter: mimeType" in text


def test_a_missing_file_is_not_found_in_drives_shape(google: Google):
    status, error = refused(google.drive().files().get(fileId="nope"))
    assert status == 404
    assert error["message"] == "File not found: nope."
    assert error["errors"][0]["reason"] == "notFound"


def test_a_method_that_is_not_offered_says_so(google: Google):
    status, error = refused(google.drive().approvals().list(fileId=google.named("Plan")))
    assert (status, error["status"]) == (501, "UNIMPLEMENTED")


def test_a_premade_id_creates_one_file_and_the_second_time_conflicts(google: Google):
    drive = google.drive()
    file_id = drive.files().generateIds(count=1).execute()["ids"][0]
    media = MediaInMemoryUpload(b"a,b\r\n1,2\r\n\r\n", mimetype="text/csv")
    body = {"id": file_id, "name": "up.csv"}
    made = drive.files().create(body=body, media_body=media, fields="id,size,mimeType").execute()
    assert made == {"id": file_id, "size": "12", "mimeType": "text/csv"}
    assert drive.files().get_media(fileId=file_id).execute() == b"a,b\r\n1,2\r\n\r\n"
    status, error = refused(drive.files().create(body=body, media_body=media))
    assert (status, error["errors"][0]["reason"]) == (409, "fileIdInUse")


def test_a_doc_refuses_a_premade_id(google: Google):
    drive = google.drive()
    file_id = drive.files().generateIds(count=1).execute()["ids"][0]
    assert refused(drive.files().create(body={"id": file_id, "mimeType": DOC}))[0] == 400


def test_a_write_changes_version_head_revision_and_time(google: Google):
    drive, fields = google.drive(), "version,headRevisionId,modifiedTime"
    file_id = google.named("people.csv")
    before = drive.files().get(fileId=file_id, fields=fields).execute()
    google.clock.advance(60)
    media = MediaInMemoryUpload(b"name\n", mimetype="text/csv")
    after = drive.files().update(fileId=file_id, media_body=media, fields=fields).execute()
    assert int(after["version"]) > int(before["version"])
    assert after["headRevisionId"] != before["headRevisionId"]
    assert after["modifiedTime"] > before["modifiedTime"]
    revisions = drive.revisions().list(fileId=file_id).execute()["revisions"]
    assert [r["id"] for r in revisions] == ["1", "2"]


def test_the_change_feed_tells_what_happened_since(google: Google):
    drive = google.drive()
    token = drive.changes().getStartPageToken().execute()["startPageToken"]
    drive.files().update(fileId=google.named("Plan"), body={"name": "Plan B"}).execute()
    page = drive.changes().list(pageToken=token).execute()
    assert [c["file"]["name"] for c in page["changes"]] == ["Plan B"]
    assert int(page["newStartPageToken"]) > int(token)


def test_what_is_not_shared_does_not_exist_for_others(google: Google):
    file_id = google.named("Plan")
    google.post("/_local/act", {"as": "owner", "do": "restrict", "file": "Plan"})
    assert refused(google.drive().files().get(fileId=file_id))[0] == 404
    assert refused(google.sheets().spreadsheets().get(spreadsheetId=file_id))[0] == 404
    google.post("/_local/act", {"as": "owner", "do": "share", "file": "Plan", "with": "U1"})
    assert google.drive().files().get(fileId=file_id).execute()["name"] == "Plan"
    status, error = refused(google.drive().files().update(fileId=file_id, body={"name": "mine"}))
    assert (status, error["errors"][0]["reason"]) == (403, "insufficientFilePermissions")
    assert refused(google.drive("U2").files().get(fileId=file_id))[0] == 404


def test_app_properties_find_a_file_again(google: Google):
    drive = google.drive()
    made = drive.files().create(body={"name": "n", "mimeType": DOC, "appProperties": {"op": "k1"}}).execute()
    found = drive.files().list(q="appProperties has { key='op' and value='k1' }").execute()["files"]
    assert [f["id"] for f in found] == [made["id"]]
    assert drive.files().list(q="appProperties has { key='op' and value='k2' }").execute()["files"] == []


def test_a_long_query_is_sent_as_a_post_and_answered_alike(google: Google):
    query = " or ".join(f"name = 'file {n}'" for n in range(200)) + " or name = 'Plan'"
    assert [f["name"] for f in google.drive().files().list(q=query).execute()["files"]] == ["Plan"]


@pytest.mark.parametrize(
    ("mime", "text"),
    [
        ("text/markdown", "| --- | ---: |"),
        ("text/html", '<a href="https://example.com/a"'),
        ("text/plain", "Ask first, see the page."),
    ],
)
def test_a_doc_is_exported(google: Google, mime: str, text: str):
    exported = google.drive().files().export(fileId=google.named("Rules"), mimeType=mime).execute()
    assert text in exported.decode()


def test_a_sheet_is_exported_as_it_is_shown(google: Google):
    exported = google.drive().files().export(fileId=google.named("Plan"), mimeType="text/csv").execute()
    assert exported.decode().splitlines()[-1] == "Total,1200.6,2401.2"


def test_a_copy_has_the_content_and_another_id(google: Google):
    copied = google.drive().files().copy(fileId=google.named("Rules"), body={"name": "Rules 2"}).execute()
    text = google.drive().files().export(fileId=copied["id"], mimeType="text/plain").execute()
    assert copied["id"] != google.named("Rules")
    assert b"The end." in text


def test_faults_strike_the_named_method_only(google: Google):
    google.post("/_local/fault", {"match": "drive.files.list", "kind": "429", "retry_after_s": 3})
    status, error = refused(google.drive().files().list())
    assert (status, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert google.drive().files().list().execute()["files"]


def test_reset_brings_the_seed_back(google: Google):
    google.drive().files().update(fileId=google.named("Plan"), body={"name": "gone"}).execute()
    google.post("/_local/reset", {})
    assert google.named("Plan")


def test_the_log_has_every_request_and_answer(google: Google):
    google.drive().files().list(q="name = 'Plan'").execute()
    rows = [r for r in google.log.since(0) if r["name"] == "drive.files.list"]
    assert [r["kind"] for r in rows] == ["request", "response"]
    assert rows[0]["user"] == "U1"


def test_pages_show_files_to_people_and_escape_what_they_hold(google: Google):
    status, page = google.get(f"/file/d/{google.named('people.csv')}/view?row=3")
    assert status == 200
    assert "&lt;b&gt;Arlington&lt;/b&gt;" in page
    assert '<tr class="hit" id="hit"><th>3</th>' in page
    assert google.get(f"/drive/folders/{google.named('Team')}")[1].count("/view") == 2
    assert google.get("/document/d/none/edit")[0] == 404


def test_another_sites_page_cannot_ask(google: Google):
    status, _ = google.get("/drive/v3/files", Authorization="Bearer U1", Origin="https://elsewhere.example")
    assert status == 403

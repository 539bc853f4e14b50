"""Drive, Docs, Sheets, Slides, Calendar and Gmail called as a newcomer's first program does, through the real client.

Each first call is that of Google's own introductions to its APIs in Python, in words and on files of our own.
"""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest
from google_harness import Google, refused, running, seed
from googleapiclient.errors import HttpError

SLIDES = {
    "title": "Kick-off",
    "slides": [
        {"title": "Harbour pilot", "body": ["Start in May", "Ends in June"], "notes": "Say who pays."},
        {"table": [["Berth", "Price"], ["North", 12]]},
    ],
}
MONDAY = datetime.datetime(2026, 3, 2, 9, tzinfo=datetime.UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    folder = seed(tmp_path_factory.mktemp("drive"))
    (folder / "Kick-off.slides.json").write_text(json.dumps(SLIDES))
    with running(folder) as found:
        yield found


@pytest.fixture
def google(server: Google) -> Google:
    server.post("/_local/reset", {})
    return server


def event(google: Google, title: str, hours: int, **more: Any) -> dict[str, Any]:
    start, end = (MONDAY + datetime.timedelta(hours=hours + n) for n in (0, 1))
    body = {"summary": title, "start": {"dateTime": start.isoformat()}, "end": {"dateTime": end.isoformat()}, **more}
    return google.calendar().events().insert(calendarId="primary", body=body).execute()


def draft(google: Google, **heads: str) -> dict[str, Any]:
    message = EmailMessage()
    message.set_content("This is automated draft mail")
    for name, value in heads.items():
        message[name.replace("_", "-")] = value
    raw = base64.urlsafe_b64encode(message.as_bytes()).decode()
    return google.gmail().users().drafts().create(userId="me", body={"message": {"raw": raw}}).execute()


def test_the_first_ten_files_with_names_and_ids(google: Google):
    found = google.drive().files().list(pageSize=10, fields="nextPageToken, files(id, name)").execute()
    assert {f["name"] for f in found["files"]} >= {"Plan", "Rules", "Kick-off"}
    assert all(set(f) == {"id", "name"} for f in found["files"])


def test_the_title_of_a_document(google: Google):
    assert google.docs().documents().get(documentId=google.named("Rules")).execute().get("title") == "Rules"


def test_two_columns_of_a_range(google: Google):
    sheet = google.sheets().spreadsheets()
    result = sheet.values().get(spreadsheetId=google.named("Plan"), range="Costs!A2:C").execute()
    assert [(row[0], row[2]) for row in result.get("values", [])][1] == ("6100", "0.2")


def test_the_number_of_elements_on_each_slide(google: Google):
    shown = google.slides().presentations().get(presentationId=google.named("Kick-off")).execute()
    slides = shown.get("slides")
    assert [len(slide.get("pageElements")) for slide in slides] == [2, 1]
    text = slides[0]["pageElements"][1]["shape"]["text"]["textElements"]
    assert [e["textRun"]["content"] for e in text if "textRun" in e] == ["Start in May\n", "Ends in June\n"]


def test_the_next_ten_events_of_the_own_calendar(google: Google):
    for hours, title in ((5, "Later"), (1, "Sooner"), (-48, "Over")):
        event(google, title, hours)
    asked = {"calendarId": "primary", "timeMin": MONDAY.isoformat(), "maxResults": 10, "singleEvents": True}
    result = google.calendar().events().list(**asked, orderBy="startTime").execute()
    assert [e["summary"] for e in result.get("items", [])] == ["Sooner", "Later"]
    assert "items" in result and result["items"][0]["start"].get("dateTime") is not None
    others = google.calendar("U2").events().list(calendarId="primary").execute()
    assert others["items"] == []
    assert google.calendar().calendarList().list().execute()["items"][0]["primary"] is True


def test_the_labels_of_a_mailbox_and_a_draft_that_is_found_by_its_message_id(google: Google):
    labels = google.gmail().users().labels().list(userId="me").execute().get("labels", [])
    assert {"INBOX", "DRAFT"} <= {label["name"] for label in labels}
    made = draft(google, To="gduser1@example.com", Subject="Automated draft", Message_ID="<one@cadre.invalid>")
    drafts = google.gmail().users().drafts()
    assert drafts.list(userId="me", q="rfc822msgid:<one@cadre.invalid>").execute()["drafts"][0]["id"] == made["id"]
    shown = drafts.get(userId="me", id=made["id"]).execute()["message"]["payload"]
    assert {"name": "Subject", "value": "Automated draft"} in shown["headers"]
    assert google.gmail("U2").users().drafts().list(userId="me").execute() == {"resultSizeEstimate": 0}


def test_a_draft_of_a_mail_cannot_be_sent(google: Google):
    made = draft(google, To="a@example.com", Subject="x")
    status, error = refused(google.gmail().users().drafts().send(userId="me", body={"id": made["id"]}))
    assert (status, error["status"]) == (501, "UNIMPLEMENTED")


def test_a_missing_file_is_told_by_an_http_error_as_the_introductions_catch_it(google: Google):
    with pytest.raises(HttpError) as caught:
        google.docs().documents().get(documentId="nothing").execute()
    assert (caught.value.resp.status, caught.value.reason) == (404, "Requested entity was not found.")


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/presentations", {"title": "x", "colour": 1}, 'Unknown name "colour": Cannot find field.'),
        ("/calendar/v3/calendars/primary/events", {"summary": 5}, "Invalid value at 'summary' (TYPE_STRING), 5"),
        ("/calendar/v3/calendars/primary/events", {"start": {"when": "now"}}, "Unknown name \"when\" at 'start'"),
        ("/gmail/v1/users/me/drafts", {"message": {"subject": "x"}}, "Unknown name \"subject\" at 'message'"),
        ("/drive/v3/files/root/comments?fields=id", {"content": ["x"]}, "Invalid value at 'content' (TYPE_STRING)"),
    ],
)
def test_unknown_fields_and_wrong_types_are_named_in_every_service(google: Google, path: str, body: Any, words: str):
    status, answer = google.post(path, body, authorization="Bearer U1")
    assert status == 400
    assert words in answer["error"]["message"]


def test_times_and_orders_are_taken_as_calendar_takes_them(google: Google):
    events = google.calendar().events()
    status, error = refused(events.list(calendarId="primary", timeMin="2026-03-02T09:00:00"))
    assert (status, error["errors"][0]["location"]) == (400, "timeMin")
    assert refused(events.list(calendarId="primary", orderBy="startTime"))[0] == 400
    assert refused(events.list(calendarId="someone@else.example"))[0] == 404
    event(google, "Once", 1, id="cadre0once")
    with pytest.raises(HttpError, match="The requested identifier already exists"):
        event(google, "Twice", 1, id="cadre0once")


def test_suggestions_wait_in_the_document_until_an_editor_settles_them(google: Google):
    documents, doc = google.docs().documents(), google.named("Rules")
    words = [{"insertText": {"location": {"index": 1}, "text": "Our "}}]
    control = {"writeMode": "SUGGEST"}
    made = documents.batchUpdate(documentId=doc, body={"requests": words, "writeControl": control}).execute()
    ((suggestion,),) = [one["createdSuggestionIds"] for one in made["suggestionResponses"]]

    def first(view: str) -> Any:
        shown = documents.get(documentId=doc, suggestionsViewMode=view).execute()
        return shown["body"]["content"][1]["paragraph"]["elements"][0]["textRun"]

    assert first("SUGGESTIONS_INLINE")["suggestedInsertionIds"] == [suggestion]
    assert first("PREVIEW_WITHOUT_SUGGESTIONS")["content"] == "Rules\n"
    assert first("PREVIEW_SUGGESTIONS_ACCEPTED")["content"].startswith("Our Rules")
    taken = {"requests": [{"acceptSuggestion": {"suggestionId": suggestion}}]}
    documents.batchUpdate(documentId=doc, body=taken).execute()
    assert first("PREVIEW_WITHOUT_SUGGESTIONS")["content"].startswith("Our Rules")
    assert refused(documents.batchUpdate(documentId=doc, body=taken))[0] == 400


def test_comments_are_read_and_answered_and_need_their_fields_named(google: Google):
    comments, plan = google.drive().comments(), google.named("Plan")
    assert refused(comments.list(fileId=plan))[0] == 400
    made = comments.create(fileId=plan, body={"content": "Really?"}, fields="id").execute()
    answer = {"content": "Yes", "action": "resolve"}
    google.drive("U2").replies().create(fileId=plan, commentId=made["id"], body=answer, fields="id").execute()
    (shown,) = comments.list(fileId=plan, fields="comments(content,resolved,replies(content))").execute()["comments"]
    assert shown == {"content": "Really?", "resolved": True, "replies": [{"content": "Yes"}]}


def test_files_of_a_shared_drive_are_there_for_callers_that_know_of_shared_drives(google: Google):
    _, made = google.post("/_local/act", {"as": "U1", "do": "drive", "name": "Board"})
    google.post("/_local/act", {"as": "U1", "do": "move", "file": "people.csv", "folder": made["id"]})
    files = google.drive().files()
    (board,) = google.drive().drives().list().execute()["drives"]
    assert (board["id"], board["name"]) == (made["id"], "Board")
    assert google.drive().drives().get(driveId=board["id"]).execute() == board
    query = {"q": "name = 'people.csv'"}
    assert files.list(**query).execute()["files"] == []
    known = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}
    (found,) = files.list(**query, **known, fields="files(id,driveId,owners)").execute()["files"]
    assert (found["driveId"], "owners" in found) == (board["id"], False)
    assert files.list(**query, **known, corpora="drive", driveId=board["id"]).execute()["files"]
    assert refused(files.list(**query, **known, driveId=board["id"]))[0] == 400
    assert refused(files.list(includeItemsFromAllDrives=True))[0] == 403
    assert refused(files.get(fileId=found["id"]))[0] == 404
    assert files.get(fileId=found["id"], supportsAllDrives=True).execute()["name"] == "people.csv"
    twice = [google.drive().drives().create(requestId="r1", body={"name": "New"}).execute() for _ in range(2)]
    assert twice[0] == twice[1]


def test_a_quota_is_refused_in_the_words_of_its_service_until_the_minute_is_over(google: Google):
    for service in ("drive", "sheets"):
        google.post("/_local/act", {"as": "U1", "do": "quota", "service": service, "per_minute": 2})
    plan = google.named("Plan")
    google.drive().files().get(fileId=plan).execute()
    status, error = refused(google.drive().files().get(fileId=plan))
    assert (status, error["errors"][0]["reason"], error["errors"][0]["domain"]) == (
        403,
        "userRateLimitExceeded",
        "usageLimits",
    )
    for _ in range(2):
        google.sheets().spreadsheets().get(spreadsheetId=plan).execute()
    status, error = refused(google.sheets().spreadsheets().get(spreadsheetId=plan))
    assert (status, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert google.sheets("U2").spreadsheets().get(spreadsheetId=plan).execute()["spreadsheetId"] == plan
    google.clock.advance(61)
    assert google.drive().files().get(fileId=plan).execute()["name"] == "Plan"

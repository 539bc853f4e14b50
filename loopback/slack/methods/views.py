"""`views.*`: modals and home tabs."""

from typing import Any

from loopback.slack.api import Call, checked_view, method
from loopback.slack.errors import Refused


@method("views.open", required=("view",), tier=4)
def views_open(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    user = call.interactions.use_trigger(call.text("trigger_id") or call.text("interactivity_pointer"))
    call.space.modals[user] = []
    return {"view": call.interactions.push(user, view)}


@method("views.push", required=("view", "trigger_id"), tier=4)
def views_push(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    return {"view": call.interactions.push(call.interactions.use_trigger(call.text("trigger_id")), view)}


@method("views.update", required=("view",), tier=4)
def views_update(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    found = call.space.modal(call.text("view_id") or call.text("external_id"))
    if found is None:
        raise Refused("not_found")
    user, shown = found
    if call.text("hash") and call.text("hash") != shown["hash"]:
        raise Refused("hash_conflict")
    return {"view": call.interactions.update(user, shown, view)}


@method("views.publish", required=("view", "user_id"), tier=4)
def views_publish(call: Call) -> dict[str, Any]:
    view = checked_view(call)
    user = call.text("user_id")
    if user not in call.space.users:
        raise Refused("user_not_found")
    old = call.space.homes.get(user)
    if call.text("hash") and old and call.text("hash") != old["hash"]:
        raise Refused("hash_conflict")
    changed = call.space.home_sources.get(user) != call.args["view"]
    call.space.home_sources[user] = call.args["view"]
    home = call.interactions.new_view({"type": "home", **view})
    if old is not None:
        home |= {"id": old["id"], "root_view_id": old["id"]}
    call.space.homes[user] = home
    if changed:
        call.space.feed.publish("home", user=user)
    return {"view": home}

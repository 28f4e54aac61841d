"""What a page has asked of a browser."""

import json


def requested_urls(browser) -> set[str]:
    """The addresses that the page has requested since the log was last read."""
    entries = [json.loads(entry["message"]) for entry in browser.get_log("performance")]
    events = [entry["message"] for entry in entries]
    return {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }

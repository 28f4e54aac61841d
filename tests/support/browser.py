"""What a page has asked of a browser."""

import json


def requested_urls(browser) -> set[str]:
    """The addresses that the page has requested since the log was last read.

    The browser's own first page, which it may still load then, requests chrome://.
    """
    entries = [json.loads(entry["message"]) for entry in browser.get_log("performance")]
    events = [entry["message"] for entry in entries]
    urls = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    return {url for url in urls if not url.startswith("chrome:")}

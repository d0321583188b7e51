"""Names that the page proposes for groups."""

from collections import Counter

import numpy as np
import pyarrow.parquet as pq

from latentmap.run import Run


def test_words_that_set_a_group_apart_are_proposed_and_taken_by_one_key_or_click(edited, look):
    from axe_playwright_python.sync_playwright import Axe

    labels = np.array(pq.read_table(edited.run / "atlas.parquet", columns=["label"])["label"].to_pylist())
    group = Run.open(edited.run).edits()["group"].to_numpy()
    page = look(edited.url)
    field = page.page.locator(".groups li[data-group='2'] input")
    field.focus()
    page.page.wait_for_selector(".proposals [data-word]")
    ((wanted, n),) = Counter(labels[group == 2].tolist()).most_common(1)
    lift = n / (group == 2).sum() / (labels == wanted).mean()
    first = page.page.locator(".proposals [data-word]").first
    assert first.get_attribute("data-word") == str(wanted)
    assert f"{round(100 * n / (group == 2).sum())} % of the group" in first.get_attribute("title")
    assert f"×{lift:.1f}" in first.inner_text() or f"×{round(lift)}" in first.inner_text()
    assert [one["id"] for one in Axe().run(page.page).response["violations"]] == []
    page.shoot("group-names")
    page.page.keyboard.press("Enter")
    page.until("latentmap.state.revision === 1")
    assert page.page.locator(".proposals").count() == 0
    assert {one.as_py() for one in Run.open(edited.run).edits().filter(group == 2)["group_name"]} == {str(wanted)}

    # a click takes another group's; a named group is not renamed by Enter
    page.page.locator(".groups li[data-group='3'] input").click()
    page.page.click(".proposals [data-word]")
    page.until("latentmap.state.revision === 2")
    page.page.wait_for_timeout(300)
    page.page.locator(".groups li[data-group='2'] input").click()
    page.page.wait_for_selector(".proposals [data-word]")
    page.page.keyboard.press("Enter")
    page.page.wait_for_selector(".proposals", state="detached")
    assert page.state("revision") == 2

    # arrow keys put a proposal into the field
    page.page.locator(".groups li[data-group='4'] input").click()
    page.page.wait_for_selector(".proposals [data-word]")
    page.page.keyboard.press("ArrowDown")
    value = page.page.locator(".groups li[data-group='4'] input").input_value()
    assert value == page.page.locator(".proposals [data-word]").first.get_attribute("data-word")
    page.page.keyboard.press("Enter")
    page.until("latentmap.state.revision === 3")

import pytest

from chatgui.errors import DataError
from chatgui.runs.workspace import Workspace
from chatgui.text import say
from chatgui.ui.apply.recommender import history_of, recommend, users_of


def test_the_recommender_stands_beside_two_simple_rules(workspace: Workspace, ranker: str) -> None:
    users = users_of(workspace, "en", ranker)
    assert users["value"] in users["choices"]
    assert history_of(workspace, "en", ranker, users["value"])
    views = recommend(workspace, "en", ranker, None, "cat 1")
    assert len(views) == 3 and all("bars" in view for view in views)
    assert say("apply.because", "en") in views[0]


def test_a_list_without_a_run_is_refused(workspace: Workspace) -> None:
    with pytest.raises(DataError, match="choose a run"):
        recommend(workspace, "en", None, None, "")

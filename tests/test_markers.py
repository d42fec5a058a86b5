"""The markers that choose tests."""

from conftest import NOT_QUICK


def test_every_test_has_a_marker_and_quick_ones_have_no_other(request):
    for item in request.session.items:
        marks = {mark.name for mark in item.iter_markers()} & {"quick", *NOT_QUICK}
        assert marks, item.nodeid
        assert "quick" not in marks or marks == {"quick"}, item.nodeid

"""The tree of stages, with progress at the right edge; a line is drawn again only when its text changes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text
from textual import events
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from gradts_engine import tables, words
from gradts_tui.tree import Branch, Key, Leaf, running
from gradts_tui.widgets.looks import look

WIDEST = 72
"""Columns of a line: further away, its numbers are not read with its name."""

ROOMY = 40
"""Columns from which there is room for bars beside the names."""

BAR = 8
"""Columns of a progress bar."""

TIME = 11
"""Columns of a time with its word."""

KEPT_OPEN = ("trial", "final")
"""Branches that stay open when they are done; the others are folded then, once, where there is not room for all."""


class Stages(Tree[Branch | Leaf]):
    """Branches and leaves by their keys. What runs is kept in sight until the cursor is moved by hand."""

    def __init__(self) -> None:
        super().__init__(Text("\t"), id="main")
        self.show_root = False
        self.show_guides = False
        self.guide_depth = 2
        self.auto_expand = True
        self.nodes: dict[Key | str, TreeNode[Branch | Leaf]] = {}
        self.follow = True
        self.folded: set[str] = set()
        """Branches that were folded because they were done."""
        self.filtered = False
        self.shut: set[Key | str] = set()
        """Branches that were folded when a filter was begun, or when all lines were last made anew without one."""

    def show(self, found: Sequence[Branch], wanted: str, now: float) -> None:
        """Bring the tree to these branches; `wanted` narrows it to leaves with that in their name."""
        kept = [(b, [x for x in b.leaves if wanted in f"{b.label} {x.label} {x.key[1]}".lower()]) for b in found]
        kept = [(b, leaves) for b, leaves in kept if leaves or (b.most and not wanted)]
        shape: list[Key | str] = []
        for branch, leaves in kept:
            shape += [branch.key, *(leaf.key for leaf in leaves)]
        if shape != list(self.nodes):
            self.rebuild(kept, bool(wanted))
        for branch, leaves in kept:
            self.say(self.nodes[branch.key], branch, _branch(self, branch))
            if not wanted and branch.state == "done" and branch.key not in self.folded and self.folds(branch, len(shape)):
                self.folded.add(branch.key)
                self.nodes[branch.key].collapse()
            for leaf in leaves:
                node = self.nodes[leaf.key]
                if leaf.stage.state == "running" or node.data != leaf or not node.label:  # the others are as they were
                    self.say(node, leaf, _leaf(self, leaf, now))
        if self.follow and (now_running := running(found)) and now_running.key in self.nodes:
            self.point(self.nodes[now_running.key])

    def folds(self, branch: Branch, lines: int) -> bool:
        """Whether a finished branch makes room for the others."""
        return lines > self.size.height and branch.key.split()[0] not in KEPT_OPEN

    def rebuild(self, kept: Sequence[tuple[Branch, Sequence[Leaf]]], filtered: bool) -> None:
        """Make all lines anew, with the cursor and folded branches where they were; what was looked for is not folded."""
        if not self.filtered:
            self.shut = {key for key, node in self.nodes.items() if node.allow_expand and not node.is_expanded}
        self.filtered = filtered
        before = self.cursor_node.data.key if self.cursor_node and self.cursor_node.data else None
        self.clear()
        self.nodes = {}
        for branch, leaves in kept:
            node = self.root.add("", branch, expand=filtered or branch.key not in self.shut)
            self.nodes[branch.key] = node
            for leaf in leaves:
                self.nodes[leaf.key] = node.add_leaf("", leaf)
        self.root.expand()
        if before in self.nodes:
            self.point(self.nodes[before])

    def say(self, node: TreeNode[Branch | Leaf], data: Branch | Leaf, label: Text) -> None:
        """Change a line, if it does."""
        node.data = data
        if node.label != label:
            node.set_label(label)

    def point(self, node: TreeNode[Branch | Leaf]) -> None:
        """Put the cursor on a line that may just have been made."""
        if self.cursor_node is not node:
            self.call_after_refresh(self.move_cursor, node)

    def render_label(self, node: TreeNode[Branch | Leaf], base_style: Style, style: Style) -> Text:
        """What is before a label's tab at the left, the rest at the right edge."""
        assert isinstance(node.label, Text)
        tab = node.label.plain.find("\t")
        left, right = node.label[:tab], node.label[tab + 1 :]
        is_leaf = isinstance(node.data, Leaf)
        width = max(20, min(self.scrollable_content_region.width, WIDEST) - (2 if is_leaf else 0) - 1)
        name = Text("  " if is_leaf else "▾ " if node.is_expanded else "▸ ").append_text(left)
        room = max(8, width - right.cell_len - 1)
        if is_leaf and name.cell_len > room:  # cut in the middle, as names are everywhere: their ends tell them apart
            kept = words.shortened(name.plain, room)
            name = name[: kept.index("\N{HORIZONTAL ELLIPSIS}")].append(kept[kept.index("\N{HORIZONTAL ELLIPSIS}") :])
        name.truncate(room, overflow="ellipsis", pad=True)
        text = Text(" ").join([name, right])
        text.stylize_before(base_style)
        text.stylize(style)
        return text

    def on_resize(self, event: events.Resize) -> None:
        """Lines are cut to the new width."""
        self._invalidate()


def _leaf(tree: Stages, leaf: Leaf, now: float) -> Text:
    stage = leaf.stage
    right = Text()
    match stage.state:
        case "running":
            share = stage.done / stage.total if stage.total else 0.0
            left_over = (
                "scoring dev" if leaf.scoring else f"{time} left" if (time := words.duration(stage.remaining(now))) else ""
            )
            drawn = bar(share) if tree.scrollable_content_region.width >= ROOMY else Text()
            right = drawn.append(f" {share:4.0%} {left_over:>{TIME}}")
        case "done":
            seconds = f"took {words.duration(stage.seconds)}" if stage.seconds else ""
            right = Text(f"{leaf.note} {seconds:>{TIME}}", "dim")
        case "cached" | "not needed":
            seconds = f", took {words.duration(stage.seconds)}" if stage.seconds else ""
            right = Text(f"{leaf.note} {'found' + seconds if stage.state == 'cached' else '-':>{TIME}}", "dim")
        case "failed" | "stopped":
            right = look(tree.app, stage.state)
    left = Text(" ").join([look(tree.app, stage.state, word=False), tables.label(leaf.label)])
    return Text("\t").join([left, right])


def _branch(tree: Stages, branch: Branch) -> Text:
    left = Text(" ").join([look(tree.app, branch.state, word=False), tables.label(branch.label, "bold")])
    more = branch.most > len(branch.leaves)  # the title has room to say for how long
    left_over = f"{words.duration(branch.remaining)} left" if branch.remaining and not more else ""
    count = f"up to {branch.most}" if more else str(len(branch.leaves))
    count = f"{branch.finished} of {count}" if branch.leaves else count
    if not branch.leaves:
        left.stylize("dim")
    right = Text(", ".join(filter(None, [count, left_over])), "" if branch.state == "running" else "dim")
    return Text("\t").join([left, right])


def bar(share: float) -> Text:
    """A share of 1 as a bar."""
    full = int(min(max(share, 0.0), 1.0) * BAR + 0.5)
    return Text("━" * full).append("─" * (BAR - full), "dim")

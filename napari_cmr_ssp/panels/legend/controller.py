"""Controller of the Legend panel: names what is in view, and chooses how it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from napari_cmr_ssp.context import Area, Context

if TYPE_CHECKING:
    from napari_cmr_ssp.panels.legend.view import LegendView


class LegendController:
    """Shows the legend while there are structures, and the choice of look while there are segmentations."""

    title: ClassVar[str] = "Legend"
    area: ClassVar[Area] = Area.ON_CANVAS

    def __init__(self, context: Context, view: LegendView) -> None:
        self.view, self._structures = view, context.scene.structures
        self._structures.changed.connect(self._show)
        view.look_chosen.connect(self._structures.draw)
        self._show()

    @classmethod
    def make(cls, context: Context) -> Self:
        """Create the panel view and its controller."""
        from napari_cmr_ssp.panels.legend.view import LegendView

        return cls(context, LegendView())

    def _show(self) -> None:
        now = self._structures
        self.view.show_legend(now.are_visible, now.look if now.segmentations else None)

from pathlib import Path

import gradts_t5
import pytest

from gradts_engine.testing import EncoderContract, tiny_encoder


class TestT5(EncoderContract):
    @pytest.fixture(autouse=True)
    def _tiny(self, tmp_path: Path) -> None:
        """Heads of 4 x 6 = 24 rows in a hidden size of 32, as in T5s whose heads are narrower than their states."""
        sizes = {"d_model": 32, "d_kv": 6, "d_ff": 64, "num_hidden_layers": 3, "num_heads": 4, "initializer_factor": 4.0}
        self.spec = gradts_t5.t5("tiny", str(tiny_encoder(tmp_path, "t5", **sizes)))

    def test_its_heads(self) -> None:
        sites = self.encoder.head_sites(self.encoder.build())
        assert len(sites.layers) == 3
        assert {(site.heads, site.stop) for layer in sites.layers for site in layer.values()} == {(4, 24)}


def test_what_is_registered() -> None:
    assert {spec.name for spec in gradts_t5.gradts_encoders()} == {"t5-small", "t5-base", "flan-t5-base"}

"""Jobs: one function per task, which reports its progress by events and always reports how it ended."""

from cmr_ssp.jobs.bring_in import bring_in
from cmr_ssp.jobs.budget import LabelBudget, test_subjects
from cmr_ssp.jobs.correcting import add_correction, predict_frame
from cmr_ssp.jobs.evaluate import Evaluation, evaluate
from cmr_ssp.jobs.export_onnx import export_onnx
from cmr_ssp.jobs.finetune import finetune
from cmr_ssp.jobs.pretrain import pretrain
from cmr_ssp.jobs.reconstruct import reconstruct
from cmr_ssp.jobs.repeatability import Repeated, repeat
from cmr_ssp.jobs.segment import SegmentedFiles, segment
from cmr_ssp.jobs.segment_in_memory import segment_in_memory
from cmr_ssp.jobs.segment_subjects import SegmentedSubject, segment_subjects
from cmr_ssp.jobs.settings import JobSettings
from cmr_ssp.jobs.share import export_model
from cmr_ssp.jobs.starter import Starter, plan_starter

__all__ = [
    "Evaluation",
    "JobSettings",
    "LabelBudget",
    "Repeated",
    "SegmentedFiles",
    "SegmentedSubject",
    "Starter",
    "add_correction",
    "bring_in",
    "evaluate",
    "export_model",
    "export_onnx",
    "finetune",
    "plan_starter",
    "predict_frame",
    "pretrain",
    "reconstruct",
    "repeat",
    "segment",
    "segment_in_memory",
    "segment_subjects",
    "test_subjects",
]

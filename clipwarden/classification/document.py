"""Answers as JSON, JSON lines and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from clipwarden.classification.accuracy import Accuracy, Share
from clipwarden.classification.answers import Answer, AnswerFile
from clipwarden.embedding.rows import run_facts
from clipwarden.exports.words import no_formula
from worker.models.card import ModelCard

SCHEMA = "clipwarden.classification/1"
_DIGITS = 6


@dataclass(frozen=True)
class Classification:
    """The answers of one run, and how they were made."""

    card: ModelCard
    device: str
    file: AnswerFile
    accuracy: Accuracy | None

    def to_json(self) -> str:
        """One object for the whole run."""
        content = self._facts() | {
            "images": [self._image(one) for one in self.file.answers],
            "failed": [one.to_fields() for one in self.file.failures],
        }
        if self.accuracy is not None:
            content["accuracy"] = _accuracy_fields(self.accuracy)
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def to_jsonl(self) -> str:
        """One object for each picture, then one for each that could not be read."""
        objects: list[Mapping[str, object]] = [self._image(one) for one in self.file.answers]
        objects += [one.to_fields() for one in self.file.failures]
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)

    def to_csv(self) -> str:
        """One line for each label of each picture, under a line of names.

        Texts that a spreadsheet would compute get an apostrophe in front: files' names come from
        strangers.
        """
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        measure = self.file.scorer.measure
        truth = ["class"] if self.file.truth else []
        writer.writerow(["file", "rank", "label", "confidence", measure, "found", *truth])
        for line in self._csv_rows():
            writer.writerow(line)
        return buffer.getvalue()

    def _csv_rows(self) -> Iterator[list[object]]:
        for answer in self.file.answers:
            for rank, one in enumerate(answer.choices, start=1):
                found = "" if one.found is None else str(one.found).lower()
                figures = [f"{one.confidence:.{_DIGITS}f}", f"{one.evidence:.{_DIGITS}f}"]
                truth = [no_formula(answer.truth or "")] if self.file.truth else []
                source = no_formula(answer.row.source or "")
                yield [source, rank, no_formula(one.label), *figures, found, *truth]

    def _facts(self) -> dict[str, object]:
        question = self.file.question
        is_multi = question.thresholds is not None
        facts = {key: value for key, value in run_facts(self.card, self.device).items()}
        facts["schema"] = SCHEMA
        facts["mode"] = "multi" if is_multi else "single"
        facts["logit_scale"] = self.card.logit_scale
        facts["logit_bias"] = self.card.logit_bias
        facts["score_scale"] = asdict(self.card.score_scale)
        return facts | dict(question.facts())

    def _image(self, answer: Answer) -> Mapping[str, object]:
        measure = self.file.scorer.measure
        labels = []
        for one in answer.choices:
            fields: dict[str, object] = {
                "label": one.label,
                "confidence": round(one.confidence, _DIGITS),
                measure: round(one.evidence, _DIGITS),
            }
            labels.append(fields if one.found is None else fields | {"found": one.found})
        content = answer.row.to_fields() | {"labels": labels}
        if answer.truth is not None:
            content |= {"class": answer.truth, "class_rank": answer.truth_rank}
        return content


def _accuracy_fields(accuracy: Accuracy) -> dict[str, object]:
    return {
        "pictures": accuracy.top1.pictures,
        "top1": _share_fields(accuracy.top1),
        "top5": _share_fields(accuracy.top5),
        "confusions": [asdict(one) for one in accuracy.confusions],
    }


def _share_fields(share: Share) -> dict[str, object]:
    interval = [round(share.low, _DIGITS), round(share.high, _DIGITS)]
    return {"value": round(share.value, _DIGITS), "hits": share.hits, "interval_95": interval}

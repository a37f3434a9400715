"""The recipe, top to bottom: ``python -m backends.local.trainer.train RUN_FOLDER`` trains, or goes on."""

from __future__ import annotations

import contextlib
import fcntl
import math
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar

from backends import JobStatus, Json
from backends.local.folder import RunFolder, now, read_json, write_json
from backends.local.inference.chat_template import ready_to_serve
from backends.local.inference.merge import merge
from backends.local.options import read_options, spec_from_json
from backends.local.trainer import checkpoints, step, tracker
from backends.local.trainer import model as models
from backends.local.trainer.data import DataRefused
from backends.local.trainer.distributed import World, join
from backends.local.trainer.memory_warmup import heaviest, rehearse
from backends.local.trainer.microbatch import lay_out
from backends.local.trainer.optimizer import Masters, learning_rate_at
from backends.local.trainer.run_log import LOADING, Record
from backends.local.trainer.samples import say_sample, write_samples
from backends.local.trainer.setup import set_up
from backends.local.trainer.state import NotFinite, Progress, Run, Stopped

_REFUSED = (DataRefused, models.ModelRefused, checkpoints.DiskFull)
_LOST = 4  # the exit code of a rank that has lost another


def main(arguments: Sequence[str]) -> int:
    """Train the run in the folder given, alone or as one of torchrun's ranks; the exit code is that of ``live``."""
    folder = RunFolder(Path(arguments[0]).absolute())
    world = join(read_options(spec_from_json(read_json(folder.config)).options).device)
    if world.size == 1:  # torchrun ends ranks by this signal when one was lost, which is no wish to stop
        signal.signal(signal.SIGTERM, lambda *_: folder.stop.touch())
    code = live(folder, world)
    if code == 0:
        world.leave()
    return code


def live(folder: RunFolder, world: World) -> int:
    """Train as one rank of ``world``: 0 done or stopped on request, 1 failed, 3 not finite, 4 a rank was lost."""
    with folder.lock.open("w") as lock:
        if world.first:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a trainer that is just stopping still holds it for a moment
        world.wait()
        if read_json(folder.status).get("status") == JobStatus.SUCCEEDED:
            return 0
        record = Record(folder, silent=not world.first)
        try:
            train(folder, record, world)
        except Stopped:
            record.status(JobStatus.CANCELLED, "stopped; the last checkpoint is kept", finished=now())
        except NotFinite as error:
            _fail(record, str(error))
            return 3
        except _REFUSED as error:
            if not world.first:
                traceback.print_exc()  # the first rank alone writes the record
            _fail(record, str(error))
            return 1
        except Exception as error:  # noqa: BLE001  the last place that can say what happened
            traceback.print_exc()
            if world.size > 1 and isinstance(error, RuntimeError):
                return _LOST  # who started the ranks decides
            said = f"{type(error).__name__}: {models.first_line(error)} The traceback is in {folder.log}."
            _fail(record, checkpoints.full(folder.path) if checkpoints.is_full(error) else said)
            return 1
    return 0


def train(folder: RunFolder, record: Record, world: World) -> None:
    """Read, choose, load, check, loop, save."""
    disable_progress_bar()  # trainer.log is read by people
    spec = spec_from_json(read_json(folder.config))
    record.status(JobStatus.RUNNING, LOADING, started=now(), error=None, finished=None)
    run, masters, progress = set_up(spec, read_options(spec.options), folder, record, world)
    progress = _resume(run, masters) or progress
    if progress.recomputes:
        models.recompute_activations(models.causal(run.model))
    rehearse(run, masters, progress)
    if run.options.log_to and world.first:
        tracker.start(folder, run.options.log_to)
    _loop(run, masters, progress)
    _finish(run, masters, progress)
    world.wait()


def _loop(run: Run, masters: Masters, progress: Progress) -> None:
    """Take the steps that are left; evaluate, checkpoint and look for a wish to stop between them."""
    settings, plan = run.settings, run.plan
    warmup = math.ceil(plan.steps * (settings.warmup_ratio or 0.0))
    every = max(1, plan.steps // settings.evaluations) if settings.evaluations and run.valid else 0
    saved = time.monotonic()
    if progress.step == 0:
        if every:
            _evaluate(run, progress)
        _checkpoint(run, masters, progress)
    run.record.status(JobStatus.RUNNING, "training", steps_done=progress.step, steps_total=plan.steps)
    patience = settings.early_stopping_patience
    # Asked before a step as well: a run that was killed while it finished has nothing left to train.
    while progress.step < plan.steps and not (patience and progress.worse >= patience):
        if run.world.any(run.folder.stop.exists(), run.device):
            _checkpoint(run, masters, progress)
            raise Stopped
        began = time.monotonic()
        items = [run.train[index] for index in plan.batch(progress.step)]
        rate = learning_rate_at(progress.step, steps=plan.steps, warmup=warmup, peak=settings.learning_rate or 0.0)
        values = step.take(run, masters, progress, rate)
        took = time.monotonic() - began
        progress.step += 1
        progress.tokens += sum(item.length for item in items)
        progress.supervised += sum(part.supervised for item in items for part in item.sequences)
        progress.seconds += took
        values |= {"learning_rate": rate, "tokens": progress.tokens, "step_seconds": round(took, 4)}
        run.record.metrics(progress.step, values)
        run.record.progress(
            done=progress.step,
            total=plan.steps,
            tokens=progress.tokens,
            seconds=progress.seconds,
            step_seconds=progress.seconds / progress.step,
        )
        evaluated = bool(every) and (progress.step % every == 0 or progress.step == plan.steps)
        if evaluated:
            _evaluate(run, progress)
        overdue = run.world.any(time.monotonic() - saved > run.options.save_seconds, run.device)
        if evaluated or overdue or (run.options.save_every and progress.step % run.options.save_every == 0):
            _checkpoint(run, masters, progress)
            saved = time.monotonic()
    if progress.step < plan.steps:
        run.record.event(f"Stopped early: no better validation loss for {progress.worse} evaluations.")


def _evaluate(run: Run, progress: Progress) -> None:
    """Measure the validation loss, sum over sum, and note whether it is the best so far."""
    models.rest(run.model)
    summed = torch.zeros((), device=run.device)
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):  # a few passes pay for no compiling of their own
        for one in lay_out(run, run.valid, progress.capacity):
            summed += step.loss_of(run, one)[0]
    run.model.train()
    run.world.sum([summed])
    loss = summed.item() / sum(item.weight for item in run.valid)
    run.record.metrics(progress.step, {"valid_loss": loss})
    if run.world.first:
        say_sample(run, progress.step)
    if loss < progress.best_loss:
        progress.best_loss, progress.best_step, progress.worse = loss, progress.step, 0
    else:
        progress.worse += 1


def _checkpoint(run: Run, masters: Masters, progress: Progress) -> None:
    """Save all that a later process needs to go on as if nothing had happened."""
    parts = masters.state()  # every rank hands in its part
    if not run.world.first:
        return
    state: dict[str, Json] = asdict(progress)
    if progress.best_loss == math.inf:
        state["best_loss"] = None  # JSON knows no infinity
    checkpoints.save(run.folder.checkpoints, progress.step, parts, state, keep=run.options.keep)


def _resume(run: Run, masters: Masters) -> Progress | None:
    """Take over the newest whole checkpoint, if there is one."""
    found = checkpoints.newest(run.folder.checkpoints)
    if found is None:
        return None
    state, parts = found
    masters.restore(parts["weights"], parts["optimizer"])
    if state["best_loss"] is None:
        state["best_loss"] = math.inf
    progress = Progress(**state)  # type: ignore[arg-type]  # asdict wrote it
    run.record.rewind(progress.step)
    run.record.event(f"Resumed after step {progress.step} of {run.plan.steps}.", step=progress.step)
    return progress


def _finish(run: Run, masters: Masters, progress: Progress) -> None:
    """Save the best weights as the result, a few answers to look at, and what the run measured."""
    if math.isfinite(progress.best_loss) and progress.best_step != progress.step:
        best = checkpoints.at(run.folder.checkpoints, progress.best_step)
        masters.load_weights(checkpoints.read(best)["weights"])
        run.record.event(f"The weights of step {progress.best_step} are kept: its validation loss is the lowest.")
    state = _state_to_save(run, masters) if run.options.split else None
    if not run.world.first:
        return
    ready_to_serve(models.causal(run.model), run.tokenizer)
    _as_published(run)
    models.save(run.model, run.tokenizer, run.folder.tuned, state)
    models.causal(run.model).generation_config.save_pretrained(run.folder.tuned)  # beside an adapter too: where it ends
    cuda = run.device.type == "cuda"
    lengths = [run.train[place].length for place in heaviest(run.train, run.plan.batch_size, progress.capacity)]
    peak_rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    write_json(
        run.folder.summary,
        {
            "trained_tokens": progress.tokens,
            "supervised_tokens": progress.supervised,
            "seconds": progress.seconds,
            "steps": progress.step,
            "step_seconds": progress.seconds / max(1, progress.step),
            "tokens_per_step": progress.tokens / max(1, progress.step),
            "best_valid_loss": progress.best_loss if math.isfinite(progress.best_loss) else None,
            "best_step": progress.best_step,
            "micro_batch_tokens": progress.capacity,
            "longest_tokens": lengths[0],
            "heaviest_pass_tokens": min(progress.capacity, sum(lengths)),
            "gradient_checkpointing": progress.recomputes,
            "peak_allocated_gb": torch.cuda.max_memory_allocated(run.device) / 1e9 if cuda else None,
            "peak_reserved_gb": torch.cuda.max_memory_reserved(run.device) / 1e9 if cuda else None,
            "peak_resident_gb": peak_rss / 1e9,
        },
    )
    write_samples(run)
    if run.options.merge and not run.options.split and models.causal(run.model) is not run.model:
        try:
            run.record.event(str(merge(run.folder, run.folder.path / "merged")["said"]))
        except models.ModelRefused as error:  # the adapter is there
            run.record.event(str(error), level="warning")
    run.record.status(
        JobStatus.SUCCEEDED,
        "done",
        finished=now(),
        steps_done=progress.step,
        trained_tokens=progress.tokens,
        train_seconds=round(progress.seconds, 3),
        tuned_model=str(run.folder.tuned),
        estimated_finish=None,
    )


def _as_published(run: Run) -> None:
    """Give what was trained the base's own precision, unless another was asked for: a processor may train in fp32."""
    if run.options.precision is None and not run.options.split:
        base = str(read_json(run.folder.chosen)["base"])
        dtype = models.published_dtype(base, run.options)
        for parameter in models.trained(run.model).values():
            parameter.data = parameter.data.to(dtype)


def _state_to_save(run: Run, masters: Masters) -> dict[str, torch.Tensor]:
    """Return the trained weights whole, in the model's precision, and what the model keeps beside its weights."""
    learned, beside = masters.weights(), dict(run.model.named_buffers())
    return {
        name: learned.get(name, tensor).to(tensor.dtype)
        for name, tensor in run.model.state_dict().items()
        if name in learned or name in beside
    }


def _fail(record: Record, message: str) -> None:
    with contextlib.suppress(OSError):  # a full disk has no room for the event; the status replaces its like
        record.event(message, level="error")
    record.status(JobStatus.FAILED, "failed", error=message, finished=now())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Kills a training at random moments, damages its checkpoints, and compares the ends.

    python benchmarks/kills.py --kills 100 --flips 100

A small run of the true training loop (data stream, step, checkpoints, metrics)
with a network of 0.27 million parameters is killed by SIGKILL at random moments
of its life, and started again, until it ends; other copies of it get one random
bit flipped in a file of a checkpoint. Each must end with the parameters and the
metrics of a run that was left alone, to the bit. Children are forked from a
process that has imported everything, so that their lives are the training's own.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import jax
from small_run import RESTORING, STAGE, STAGES, STEPPING, STEPS, live


def start(workdir: Path) -> int:
    """Forks a child that trains in `workdir` to the end; its process id."""
    STAGE[0] = 0
    workdir.mkdir(exist_ok=True)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        log = os.open(workdir / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        live(workdir)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def step_folders(workdir: Path) -> list[Path]:
    """Folders of checkpoints, half-written ones included."""
    folder = workdir / "checkpoints"
    return [p for p in folder.iterdir() if p.is_dir()] if folder.is_dir() else []


def is_writing(workdir: Path) -> bool:
    """Whether a checkpoint is half written."""
    return any("tmp" in p.name for p in step_folders(workdir))


def half_deleted(workdir: Path) -> set[str]:
    """Checkpoints that are only partly there."""
    whole = [p for p in step_folders(workdir) if "tmp" not in p.name]
    return {p.name for p in whole if not (p / "_CHECKPOINT_METADATA").exists()}


def moment(rng: random.Random, life_s: float, workdir: Path) -> Callable[[], bool]:
    """`is_now()`: a random moment of a life, or one within a short stage of it."""
    kind = rng.choice(["any", "any", "write", "delete", "restore"])
    if kind == "any":
        end = time.monotonic() + rng.uniform(0, life_s)
        return lambda: time.monotonic() >= end
    left_over = half_deleted(workdir)  # by a kill before
    test = {
        # What is there before stepping was left over by a kill before.
        "write": lambda: STAGE[0] == STEPPING and is_writing(workdir),
        "delete": lambda: bool(half_deleted(workdir) - left_over),
        "restore": lambda: STAGE[0] == RESTORING,
    }[kind]
    occurrence = rng.randint(1, 40)  # of the polls that find the stage
    seen = 0

    def is_now() -> bool:
        nonlocal seen
        seen += test()
        return seen >= occurrence

    return is_now


def run_until(pid: int, is_now: Callable[[], bool]) -> int | None:
    """Kills the child when it is time; its exit code if it ended before."""
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if is_now():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        time.sleep(0.0005)


def finish(workdir: Path, expected: str) -> bool:
    """Lets the run end; whether it ended like the one that was left alone."""
    code = run_until(start(workdir), lambda: False)
    result = workdir / "result.json"
    same = code == 0 and result.exists() and result.read_text() == expected
    if not same:
        print(f"{workdir}: exit code {code}, another end; see log.txt there")
    return same


def kill_often(folder: Path, num_kills: int, life_s: float, expected: str) -> int:
    """Kills runs so many times in all; the number of runs that ended otherwise."""
    rng, stages = random.Random(0), collections.Counter()
    wrong = runs = 0
    workdir = folder / "killed0"
    while sum(stages.values()) < num_kills:
        left_over = half_deleted(workdir)
        is_now = moment(rng, life_s, workdir)
        if run_until(start(workdir), is_now) is None:
            stage = STAGES[STAGE[0]]
            stage = "deleting" if half_deleted(workdir) - left_over else stage
            if STAGE[0] == STEPPING and is_writing(workdir):
                stage = "writing"
            stages[stage] += 1
        else:
            wrong += not finish(workdir, expected)
            runs += 1
            workdir = folder / f"killed{runs}"
    wrong += not finish(workdir, expected)
    print(f"{num_kills} kills in {runs + 1} runs, {wrong} of them ended otherwise")
    for stage, count in stages.most_common():
        print(f"  {count:4d} while {stage}")
    return wrong


def flip_often(folder: Path, num_flips: int, expected: str) -> int:
    """Flips a bit of the newest checkpoint in copies; how many ended otherwise."""
    rng, found = random.Random(1), collections.Counter()
    half = folder / "half"
    late = str(2 * STEPS - 6)
    run_until(start(half), (half / "checkpoints" / late).exists)
    for unfinished in half.glob("checkpoints/*tmp*"):
        shutil.rmtree(unfinished)
    wrong = 0
    for i in range(num_flips):
        workdir = folder / f"flipped{i}"
        shutil.copytree(half, workdir)
        newest = max(step_folders(workdir), key=lambda p: int(p.name))
        files = [f for f in newest.rglob("*") if f.is_file() and f.stat().st_size]
        sizes = [f.stat().st_size for f in files] if i % 2 else None
        (file,) = rng.choices(files, sizes)
        content = bytearray(file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(content))
        same = finish(workdir, expected)
        wrong += not same
        moved = (workdir / "checkpoints_damaged").exists()
        found["noticed, an older one taken" if moved else "harmless or not read"] += 1
        if same:
            shutil.rmtree(workdir)
    print(f"{num_flips} flipped bits, {wrong} runs ended otherwise")
    for what, count in found.most_common():
        print(f"  {count:4d} {what}")
    return wrong


def main() -> None:
    """Runs both and exits with 1 if any run ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--flips", type=int, default=100)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="styleflax_kills_"))
    jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    alone = folder / "alone"
    if run_until(start(alone), lambda: False):
        sys.exit(f"the run that was left alone failed; see {alone / 'log.txt'}")
    expected = (alone / "result.json").read_text()
    begin = time.monotonic()
    again = finish(folder / "again", expected)
    life_s = time.monotonic() - begin
    sys.stdout.reconfigure(line_buffering=True)
    print(f"an undisturbed run takes {life_s:.1f} s; a second one is equal: {again}")
    wrong = kill_often(folder, options.kills, life_s, expected)
    wrong += flip_often(folder, options.flips, expected)
    print(f"{time.monotonic() - begin:.0f} s in all")
    if wrong or not again:
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()

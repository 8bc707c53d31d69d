"""Ten billion sales: what it takes, from rates measured here. `python -m tests.benchmarks.beyond`

It measures on this machine, in CPU time, what a task of the generation job costs (parts of the
very world it plans for, as far as its concerts go), what the world of each Python process costs
in time and memory, and what comes back to the driver. Then it simulates the job: each slot takes
the next task, tasks last as long as one of those measured, some machines are slow. The plan
beside it is rows times cost by slots. What is not measured here is in ASSUMED.
"""

import argparse
import heapq
import json
import random
import resource
import statistics
import time
import zlib

from src.services.generation.concert_world import WorldSize
from src.services.generation.later_days import WorldClock, world_at
from src.services.generation.parts import PartMaker
from src.services.generation.recipe import Recipe

MEASURED_CONCERTS = 1_000_000
TASKS_MEASURED = 16
# AWS's list prices of us-east-1, and machines: slots are vCPUs.
DPU_HOUR, RPU_HOUR = 0.44, 0.375
DPU_OF, SLOTS_OF, MEMORY_GB = {"G.2X": 2}, {"G.2X": 8}, {"G.2X": 32}
ASSUMED = {
    "vcpu_to_core": 2.0,  # a vCPU is half a core, and its neighbour is busy
    "start_s": 90.0,  # until executors run: Glue starts machines, and pip installs the libraries
    "put_s": 0.25,  # one object of some MB to S3
    "slow_share": 0.05,  # of the executors, twice as slow
    "python_share": 0.5,  # of a worker's memory: its JVM, which has little to do here, has the rest
    "etl_rows_per_core_s": 6_900.0,  # Spark here, 1.37 million rows, Java's start included, 2 cores
    "copy_rows_per_slice_s": 688_000.0,  # the local COPY of Parquet: Redshift's is unknown
}  # fmt: skip


def measured(sales):
    """Return what a task, the world and the ledger cost, in CPU seconds and bytes of one core."""
    size = WorldSize(20_000, 10_000, MEASURED_CONCERTS, sales)
    recipe = Recipe(size, 42, 0.01, "json", WorldClock())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.process_time()
    world = world_at(size, 42, recipe.clock)
    world_s = time.process_time() - started
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    maker = PartMaker(recipe, world)
    parts = maker.parts("ticket_sales")
    tasks, rows, stored, ledger, defects = [], 0, 0, 0, 0
    maker.make(parts[0])  # what is built once
    for part in random.Random(1).sample(parts, min(TASKS_MEASURED, len(parts))):
        started = time.process_time()
        made = maker.make(part)
        tasks.append(time.process_time() - started)
        rows, stored = rows + made.rows, stored + len(made.body)
        ledger, defects = ledger + len(zlib.compress(made.ledger, 1)), defects + made.defects
    return {
        "task_s": tasks,
        "rows_per_task": rows / len(tasks),
        "bytes_per_row": stored / rows,
        "ledger_bytes_per_defect": ledger / defects,
        "world_s_per_concert": world_s / MEASURED_CONCERTS,
        "world_bytes_per_concert": peak / MEASURED_CONCERTS,
        "tickets_per_concert": world.tickets / MEASURED_CONCERTS,
    }


def simulated(tasks, slots, costs, world_s, seed=1):
    """Return how long the tasks take: each free slot takes the next one."""
    chance = random.Random(seed)
    slow = [2.0 if chance.random() < ASSUMED["slow_share"] else 1.0 for _ in range(slots // 8)]
    free = []
    for slot in range(slots):
        pace = slow[slot // 8] * ASSUMED["vcpu_to_core"]
        free.append((world_s * pace, slot, pace))
    heapq.heapify(free)
    end = 0.0
    for _ in range(tasks):
        at, slot, pace = heapq.heappop(free)
        at += chance.choice(costs) * pace + ASSUMED["put_s"]
        end = max(end, at)
        heapq.heappush(free, (at, slot, pace))
    return end


def generation(found, sales, workers, kind="G.2X"):
    """Return the plan of the generation job beside what its simulation gives."""
    concerts = int(sales / found["tickets_per_concert"] * 1.2)  # with a fifth more tickets
    slots = (workers - 1) * SLOTS_OF[kind]  # one is the driver
    tasks = -(-sales // int(found["rows_per_task"]))
    world_s = found["world_s_per_concert"] * concerts
    per_task = statistics.mean(found["task_s"]) * ASSUMED["vcpu_to_core"] + ASSUMED["put_s"]
    driver_s = world_s * ASSUMED["vcpu_to_core"]  # its world comes before the first task
    fixed = ASSUMED["start_s"] + driver_s
    plan = fixed + driver_s + tasks * per_task / slots
    runs = [fixed + simulated(tasks, slots, found["task_s"], world_s, seed) for seed in range(3)]
    hours = statistics.median(runs) / 3600
    memory = found["world_bytes_per_concert"] * concerts * SLOTS_OF[kind] / 2**30
    ledger = found["ledger_bytes_per_defect"] * sales * 0.01 / 2**30
    return {
        "concerts": concerts,
        "workers": f"{workers} {kind}",
        "slots": slots,
        "files": tasks,
        "raw_gb": found["bytes_per_row"] * sales / 1e9,
        "plan_min": plan / 60,
        "simulated_min": [round(s / 60, 2) for s in runs],
        "simulated_to_plan_ratio": statistics.median(runs) / plan,
        "dollars": hours * workers * DPU_OF[kind] * DPU_HOUR,
        "worlds_gb_of_a_worker": memory,
        "memory_gb_of_a_worker": MEMORY_GB[kind],
        "ledger_gb_at_the_driver": ledger,
        "fits": max(memory, 2 * ledger) < MEMORY_GB[kind] * ASSUMED["python_share"],
    }


def etl(sales, workers, kind="G.2X"):
    """Return the plan of the ETL job: its rate is that of Spark on this machine."""
    slots = (workers - 1) * SLOTS_OF[kind]
    pace = ASSUMED["etl_rows_per_core_s"] / ASSUMED["vcpu_to_core"]
    seconds = ASSUMED["start_s"] + sales * 1.01 / pace / slots
    dollars = seconds / 3600 * workers * DPU_OF[kind] * DPU_HOUR
    return {"workers": f"{workers} {kind}", "files": -(-sales // 1_000_000),
            "plan_min": seconds / 60, "dollars": dollars}  # fmt: skip


def load(sales, slices, rpu):
    """Return the plan of COPY: files by slices, and a rate of each that stands in."""
    files = -(-sales // 1_000_000)
    rounds = -(-files // slices)  # the slice with the most files
    seconds = rounds * 1_000_000 / ASSUMED["copy_rows_per_slice_s"]
    return {"slices": slices, "files_per_slice": rounds, "plan_min": seconds / 60,
            "dollars": seconds / 3600 * rpu * RPU_HOUR}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sales", type=int, default=10_000_000_000)
    parser.add_argument("--workers", type=int, default=150, help="GLUE_WORKERS of both jobs")
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--rpu", type=int, default=128)
    given = parser.parse_args()
    # The share of the sales that the measured concerts hold: as many rows a concert as planned.
    found = measured(int(given.sales / 1e10 * MEASURED_CONCERTS * 1_500))
    shown = {name: value for name, value in found.items() if name != "task_s"}
    shown["task_s"] = [round(f(found["task_s"]), 3) for f in (min, statistics.median, max)]
    result = {
        "measured": shown,
        "generation": generation(found, given.sales, given.workers),
        "etl": etl(given.sales, given.workers),
        "load": load(given.sales, given.slices, given.rpu),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()

"""A Parsl configuration for a Slurm cluster: copy it, change what is marked, and pass it as ``--parsl FILE``.

Each Slurm job is one node that takes relaxations until its time is over; Parsl asks for up to ``max_blocks`` of
them. The store must lie on a file system that all nodes see. For pw.x over several cores give fewer workers a node
and ``--pw 'srun --exact -n 8 pw.x'``.
"""

from pathlib import Path

from parsl.config import Config
from parsl.executors import HighThroughputExecutor
from parsl.launchers import SrunLauncher
from parsl.providers import SlurmProvider

CLONE = Path.cwd()  # commands run from the clone's folder

config = Config(
    retries=1,
    run_dir=str(CLONE / "runs" / "parsl"),
    executors=[
        HighThroughputExecutor(
            label="slurm",
            max_workers_per_node=16,  # change: jobs at a time on a node
            provider=SlurmProvider(
                partition="standard",  # change
                account="my-project",  # change
                nodes_per_block=1,
                cores_per_node=16,  # change
                init_blocks=0,
                max_blocks=4,
                walltime="12:00:00",
                launcher=SrunLauncher(),
                worker_init=f"""
cd {CLONE}
source .venv/bin/activate
export PYTHONPATH={CLONE} OMP_NUM_THREADS=1
# module load quantum-espresso
""",
            ),
        )
    ],
)

from pathlib import Path
from tempfile import mkdtemp

from calls import DATABASE, HOST, PASSWORD, PORT, USER, call, same
from sqlmesh import Context
from sqlmesh.core.config import Config, DuckDBConnectionConfig, GatewayConfig, ModelDefaultsConfig
from sqlmesh.core.config.connection import RedshiftConnectionConfig

folder = Path(mkdtemp())
(folder / "models").mkdir()
(folder / "seeds").mkdir()
(folder / "seeds/orders.csv").write_text("id,customer,amount\n1,ann,10\n2,bob,20\n")
MODELS = {
    "raw": "name mesh.raw, kind SEED (path '../seeds/orders.csv'), "
    "columns (id INT, customer VARCHAR(20), amount INT)",
    "whole": "name mesh.whole, kind FULL);\nSELECT id, customer FROM mesh.raw; --",
    "shown": "name mesh.shown, kind VIEW);\nSELECT id, amount FROM mesh.raw; --",
    "by_key": "name mesh.by_key, kind INCREMENTAL_BY_UNIQUE_KEY (unique_key id));\n"
    "SELECT id, amount FROM mesh.raw; --",
}
for name, text in MODELS.items():
    body = text.removesuffix(" --") if "--" in text else f"{text}\n);"
    (folder / f"models/{name}.sql").write_text(f"MODEL ({body}")
config = Config(
    gateways={
        "local": GatewayConfig(
            connection=RedshiftConnectionConfig(
                host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE
            ),
            state_connection=DuckDBConnectionConfig(database=str(folder / "state.db")),
        )
    },
    default_gateway="local",
    model_defaults=ModelDefaultsConfig(dialect="redshift"),
)
context = Context(paths=str(folder), config=config)
with call("plan and apply"):
    context.plan(auto_apply=True, no_prompts=True)
for name in MODELS:
    with call(f"{name} read"):
        same(len(context.fetchdf(f"SELECT * FROM mesh.{name}")), 2)
with call("development environment"):
    context.plan("dev", auto_apply=True, no_prompts=True, include_unmodified=True)
    same(len(context.fetchdf("SELECT * FROM mesh__dev.shown")), 2)
with call("run"):
    context.run(ignore_cron=True)

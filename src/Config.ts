/**
 * The environment, read once.
 *
 * This is the only module that sees the process's environment. Every folder declares its own
 * settings; here they get their values. A wrong value stops the start, and the error names the
 * variable and what it may be, never what it was.
 */
import { randomBytes } from "node:crypto"
import { Config, ConfigProvider, Effect, Layer } from "effect"
import { instanceNamePattern, replicaIdPattern } from "./domain/Names.ts"
import { Replica, replicaOf } from "./observability/Replica.ts"
import * as Setting from "./observability/Setting.ts"

/** Provides every `Config` below it. */
export const layerEnvironment = ConfigProvider.layer(
  ConfigProvider.fromEnvRecord(
    Object.fromEntries(Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined))
  )
)

const replica = Config.all({
  instance: Setting.text({
    name: "CM_INSTANCE_NAME",
    pattern: instanceNamePattern,
    byDefault: "cm",
    about: "Name of the service instance: the first token of its subjects and its queue group. Not `kaa`."
  }),
  replicaId: Setting.text({
    name: "CM_REPLICA_ID",
    pattern: replicaIdPattern,
    byDefault: `r${randomBytes(8).toString("hex")}`,
    shownDefault: "random",
    about: "Name of this replica. Two that share one do no harm, but logs and metrics cannot tell them apart."
  })
})

/** Who this process is. */
export const layerReplica = Layer.effect(
  Replica,
  Effect.map(replica, ({ instance, replicaId }) => replicaOf(instance, replicaId))
)

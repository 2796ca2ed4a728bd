/**
 * The environment, read once.
 *
 * This is the only module that sees the process's environment. Every folder declares its own
 * settings; here they get their values. A wrong value stops the start, and the error names the
 * variable and what it may be, never what it was.
 */
import { randomBytes } from "node:crypto"
import { Config, ConfigProvider, Context, Effect, Layer } from "effect"
import { instanceNamePattern, replicaIdPattern, tenantIdPattern } from "./domain/Names.ts"
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

const start = Config.all({
  readyFile: Setting.text({
    name: "CM_READY_FILE",
    pattern: /^.{0,4096}$/u,
    byDefault: "",
    about: "A file that is written when the service is ready, for whoever started it, and goes with it. Empty: none."
  }),
  tenants: Setting.text({
    name: "CM_DEV_TENANTS",
    pattern: /^$|^[A-Za-z0-9_,-]{1,1024}$/u,
    byDefault: "",
    about: "Tenants that are created at the start when they do not exist, separated by commas. For development."
  })
})

/** What happens at the start. */
export class StartConfig extends Context.Service<
  StartConfig,
  { readonly readyFile: string; readonly tenants: string }
>()("cm/StartConfig") {
  static readonly layer = Layer.effect(StartConfig, start)
}

export const tenantIdsOf = (text: string): ReadonlyArray<string> =>
  text.split(",").filter((tenantId) => tenantIdPattern.test(tenantId))

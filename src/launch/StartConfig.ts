/** What happens at the start. */
import { Config, Context, Effect, Layer } from "effect"
import { tenantIdPattern } from "../domain/Names.ts"
import * as Setting from "../observability/Setting.ts"

export interface StartSettings {
  readonly readyFile: string
  readonly tenantIds: ReadonlyArray<string>
}

const config = Config.all({
  readyFile: Setting.text({
    name: "CM_READY_FILE",
    pattern: /^.{0,4096}$/u,
    byDefault: "",
    about:
      "A file that is written when the service is ready, touched every 5 seconds while it runs, and goes with it. Empty: none."
  }),
  tenants: Setting.text({
    name: "CM_DEV_TENANTS",
    pattern: /^$|^[A-Za-z0-9_,-]{1,1024}$/u,
    byDefault: "",
    about: "Tenants that are created at the start when they do not exist, separated by commas. For development."
  })
})

export class StartConfig extends Context.Service<StartConfig, StartSettings>()("cm/launch/StartConfig") {
  static readonly layer = Layer.effect(
    this,
    Effect.map(config, ({ readyFile, tenants }) => ({
      readyFile,
      tenantIds: tenants.split(",").filter((tenantId) => tenantIdPattern.test(tenantId))
    }))
  )
}

/** Bounds of the checks of client credentials. */
import { Config, Context, Layer } from "effect"
import * as Setting from "../../observability/Setting.ts"

const config = Config.all({
  hotClientsMax: Setting.int({
    name: "CM_HOT_CLIENTS_MAX",
    unit: "credentials",
    min: 0,
    max: 5_000_000,
    byDefault: 100_000,
    about:
      "Client credentials a replica keeps in memory, about 600 bytes each; beyond it the oldest give way. 0 keeps none: every login hashes."
  }),
  loginsWaitingMax: Setting.int({
    name: "CM_LOGINS_WAITING_MAX",
    unit: "logins",
    min: 1,
    max: 10_000,
    byDefault: 64,
    about:
      "Logins that may wait to have their password hashed; beyond it one of them, chosen at random, is answered 429."
  }),
  loginWaitMax: Setting.duration({
    name: "CM_LOGIN_WAIT_MAX",
    min: "100 millis",
    max: "10 seconds",
    byDefault: "2 seconds",
    about:
      "Longest that a login waits to have its password hashed; what would wait longer, or than its own time-out, is answered 429 at once."
  }),
  loginsWaitingPerNameMax: Setting.int({
    name: "CM_LOGINS_WAITING_PER_NAME_MAX",
    unit: "logins",
    min: 1,
    max: 1_000,
    byDefault: 4,
    about: "The same for one username, so that guesses at one name cost the others little."
  })
})

export class ClientsConfig extends Context.Service<ClientsConfig, Config.Success<typeof config>>()(
  "cm/actors/ClientsConfig"
) {
  static readonly config = config
  static readonly layer = Layer.effect(this, config)
}

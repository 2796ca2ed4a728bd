/** Settings of third-party credentials. */
import { Config, Context, type Duration, Layer } from "effect"
import * as Setting from "../../observability/Setting.ts"

const daysPattern = /^[0-9]{1,4}(?:,[0-9]{1,4}){0,15}$/u
const hostsPattern = /^(?:[A-Za-z0-9.:[\]-]{1,255}(?:,[A-Za-z0-9.:[\]-]{1,255}){0,63})?$/u
const dayMs = 86_400_000

const config = Config.all({
  metadataTtl: Setting.duration({
    name: "CM_METADATA_TTL",
    min: "1 second",
    max: "1 hour",
    byDefault: "30 seconds",
    about:
      "How long a description in the metadata cache is believed. A change ends it at once; this bounds a lost mark."
  }),
  sweepEvery: Setting.duration({
    name: "CM_CREDENTIAL_SWEEP_EVERY",
    min: "100 millis",
    max: "1 hour",
    byDefault: "2 seconds",
    about: "How often credentials that have ended, overlaps that are over and notices that are due are looked for."
  }),
  noticeDays: Setting.text({
    name: "CM_CREDENTIAL_NOTICE_DAYS",
    pattern: daysPattern,
    byDefault: "30,14,7,1",
    about: "How many days before its end a credential is announced as expiring, separated by commas."
  }),
  providerHosts: Setting.text({
    name: "CM_PROVIDER_HOSTS_ALLOWED",
    pattern: hostsPattern,
    byDefault: "",
    about:
      "Hosts (`host` or `host:port`, separated by commas) that a provider's URL may name though they are not public or without TLS. Others must be https and resolve to public addresses only."
  }),
  rotatorHosts: Setting.text({
    name: "CM_ROTATOR_HOSTS_ALLOWED",
    pattern: hostsPattern,
    byDefault: "",
    about:
      "Databases (`host:port`, separated by commas; `host` alone is its port 3306) that the rotator `mariadb-user` may connect to. Others are refused."
  })
})

export interface CredentialsConfigShape {
  readonly metadataTtl: Duration.Duration
  readonly sweepEvery: Duration.Duration
  /** Milliseconds, without repetition. */
  readonly noticesMs: ReadonlyArray<number>
  /** Lower case, `host` or `host:port`. */
  readonly providerHosts: ReadonlySet<string>
  /** Lower case, `host:port`. */
  readonly rotatorHosts: ReadonlySet<string>
}

const noticesOf = (days: string): ReadonlyArray<number> =>
  Array.from(new Set(days.split(",").map((text) => Number(text) * dayMs))).filter((threshold) => threshold > 0)

const hostsOf = (hosts: string): ReadonlyArray<string> =>
  hosts
    .toLowerCase()
    .split(",")
    .filter((host) => host !== "")

export class CredentialsConfig extends Context.Service<CredentialsConfig, CredentialsConfigShape>()(
  "cm/actors/CredentialsConfig"
) {
  static readonly config = Config.map(config, ({ noticeDays, providerHosts, rotatorHosts, ...rest }) => ({
    ...rest,
    providerHosts: new Set(hostsOf(providerHosts)),
    rotatorHosts: new Set(hostsOf(rotatorHosts).map((host) => (/:\d+$/u.test(host) ? host : `${host}:3306`))),
    noticesMs: noticesOf(noticeDays)
  }))
  static readonly layer = Layer.effect(this, this.config)
}

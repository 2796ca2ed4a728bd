/** Where traces are sent, and how many. Without an address there are none. */
import { Config, ConfigProvider, Context, Effect, Layer } from "effect"
import { httpInsecure } from "./HttpSetting.ts"
import * as Setting from "./Setting.ts"
import { isLoopback } from "./Transport.ts"

const settings = Config.all({
  url: Setting.text({
    name: "CM_OTLP_URL",
    pattern: /^(?:|https?:\/\/[^\s\0]{1,1000})$/u,
    byDefault: "",
    about:
      "Where an OpenTelemetry collector takes OTLP over HTTP, such as http://127.0.0.1:4318; traces go to /v1/traces below it. Empty: nothing is traced."
  }),
  percent: Setting.int({
    name: "CM_TRACE_PERCENT",
    unit: "percent",
    min: 0,
    max: 100,
    byDefault: 100,
    about:
      "Of requests that come without a traceparent, how many begin a trace that is sent. One that comes with a traceparent is sent if that says so."
  }),
  spansMax: Setting.int({
    name: "CM_TRACE_SPANS_MAX",
    unit: "spans a second",
    min: 1,
    max: 10_000,
    byDefault: 1_000,
    about: "Spans that are made in a second at most; more are dropped and counted."
  }),
  insecure: httpInsecure
})

/** Why the collector's address is not asked, or null. */
const addressProblem = (text: string, insecure: boolean): string | null => {
  if (!URL.canParse(text)) return "is not an address"
  const { hash, hostname, password, protocol, search, username } = new URL(text)
  if (username !== "" || password !== "") return "holds a user or a password"
  if (search !== "" || hash !== "") return "holds a query or a fragment"
  return protocol === "https:" || insecure || isLoopback(hostname)
    ? null
    : "has no TLS; CM_HTTP_INSECURE=true allows that"
}

const config = settings.pipe(
  Config.mapEffect(({ insecure, ...given }) => {
    const why = given.url === "" ? null : addressProblem(given.url, insecure)
    return why === null
      ? Effect.succeed(given)
      : Effect.fail(new Config.ConfigError(new ConfigProvider.SourceError({ message: `CM_OTLP_URL ${why}` })))
  })
)

export class TracingConfig extends Context.Service<TracingConfig, Config.Success<typeof config>>()(
  "cm/observability/TracingConfig"
) {
  static readonly layer = Layer.effect(this, config)
}

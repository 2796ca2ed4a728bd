/**
 * One environment variable: its name, unit, range, default and meaning, in one place.
 *
 * Each folder declares its settings with these and owns their text. Declaring one adds it to
 * `declared`, from which the settings table of the documents is made (and checked) and which
 * `config.show` walks. A value out of range fails with a `ConfigError` that names the variable and
 * never repeats the value.
 */
import { Config, Duration, Schema, SchemaIssue } from "effect"

export interface Declared {
  readonly name: string
  readonly unit: string
  readonly range: string
  /** As a person would write it into the environment; empty when there is none. */
  readonly byDefault: string
  readonly about: string
  readonly secret: boolean
}

const registry = new Map<string, Declared>()

/** Every setting of the modules that have been loaded, by name. */
export const declared = (): ReadonlyArray<Declared> =>
  Array.from(registry.values()).toSorted((a, b) => (a.name < b.name ? -1 : 1))

const declare = (setting: Declared): void => {
  if (registry.has(setting.name)) throw new Error(`setting ${setting.name} is declared twice`)
  registry.set(setting.name, setting)
}

const mayBe = ({ range, secret, unit }: Declared): string => {
  if (secret) return "must be given"
  switch (unit) {
    case "text":
      return `must be a text of the form ${range}`
    case "flag":
      return "must be true or false"
    case "duration":
      return `must be a duration of ${range}`
    default:
      return `must be a whole number, ${range} (${unit})`
  }
}

const formatter = SchemaIssue.makeFormatterStandardSchemaV1()

/** Why a setting was refused: one line that names the variable and what it may be, never what it was. */
export const explain = ({ cause }: Config.ConfigError): string => {
  if (cause._tag !== "SchemaError") return cause.message
  const issue = formatter(cause.issue).issues[0]
  const setting = registry.get(String(issue?.path?.[0]))
  return setting === undefined ? `a setting is wrong: ${issue?.message}` : `${setting.name} ${mayBe(setting)}`
}

/** A whole number within [min, max]. */
export const int = (options: {
  readonly name: string
  readonly unit: string
  readonly min: number
  readonly max: number
  readonly byDefault: number
  readonly about: string
}): Config.Config<number> => {
  const { about, byDefault, max, min, name, unit } = options
  declare({ name, unit, range: `${min} to ${max}`, byDefault: String(byDefault), about, secret: false })
  return Config.schema(
    Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum: min, maximum: max })),
    name
  ).pipe(Config.withDefault(byDefault))
}

const units = [
  ["days", 86_400_000],
  ["hours", 3_600_000],
  ["minutes", 60_000],
  ["seconds", 1_000]
] as const

/** As a person writes it into the environment: in the largest unit that divides it. */
const written = (duration: Duration.Duration): string => {
  const millis = Duration.toMillis(duration)
  const [unit, size] = units.find(([, size]) => millis > 0 && millis % size === 0) ?? ["millis", 1]
  const count = millis / size
  return `${count} ${count === 1 ? unit.replace(/s$/u, "") : unit}`
}

/** A duration, written as `3 seconds`, `250 millis`, `10 minutes`; within [min, max]. */
export const duration = (options: {
  readonly name: string
  readonly min: Duration.Input
  readonly max: Duration.Input
  readonly byDefault: Duration.Input
  readonly about: string
}): Config.Config<Duration.Duration> => {
  const { about, name } = options
  const [min, max, byDefault] = [options.min, options.max, options.byDefault].map(Duration.fromInputUnsafe) as [
    Duration.Duration,
    Duration.Duration,
    Duration.Duration
  ]
  declare({
    name,
    unit: "duration",
    range: `${written(min)} to ${written(max)}`,
    byDefault: written(byDefault),
    about,
    secret: false
  })
  return Config.schema(
    Schema.DurationFromString.check(
      Schema.makeFilter((value: Duration.Duration) =>
        Duration.isLessThan(value, min) || Duration.isGreaterThan(value, max)
          ? `must be ${written(min)} to ${written(max)}`
          : undefined
      )
    ),
    name
  ).pipe(Config.withDefault(byDefault))
}

/** A text that matches `pattern`; without `byDefault` it must be given. */
export const text = (options: {
  readonly name: string
  readonly pattern: RegExp
  readonly byDefault?: string
  /** What the documents say of a default that differs from start to start. */
  readonly shownDefault?: string
  readonly about: string
}): Config.Config<string> => {
  const { about, byDefault, name, pattern, shownDefault } = options
  declare({
    name,
    unit: "text",
    range: pattern.source,
    byDefault: shownDefault ?? byDefault ?? "",
    about,
    secret: false
  })
  const config = Config.schema(Schema.String.check(Schema.isPattern(pattern)), name)
  return byDefault === undefined ? config : config.pipe(Config.withDefault(byDefault))
}

/** `true` or `false`. */
export const flag = (options: {
  readonly name: string
  readonly byDefault: boolean
  readonly about: string
}): Config.Config<boolean> => {
  const { about, byDefault, name } = options
  declare({ name, unit: "flag", range: "true, false", byDefault: String(byDefault), about, secret: false })
  return Config.Boolean(name).pipe(Config.withDefault(byDefault))
}

/** A secret text; it is `Redacted` from here on. */
export const secret = (options: { readonly name: string; readonly about: string }) => {
  declare({ name: options.name, unit: "secret", range: "any text", byDefault: "", about: options.about, secret: true })
  return Config.Redacted(options.name)
}

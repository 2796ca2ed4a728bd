/**
 * Dates and durations as callers write them.
 *
 * A date is ISO 8601 in UTC with milliseconds (`2026-11-24T10:20:30.123Z`); on the way in the
 * fraction may be shorter or missing. Inside the service a time is UNIX milliseconds.
 * A duration is ISO 8601 in weeks, days, hours, minutes and seconds (`PT5M`, `P1DT12H`): years and
 * months have no fixed length and are not taken.
 */
import { DateTime, Effect, Option, Schema, SchemaGetter, SchemaIssue } from "effect"
import { durationMs } from "../domain/IsoDuration.ts"

export { durationDaysMax } from "../domain/IsoDuration.ts"

const datePattern = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?Z$/u

/** The same few dates are asked for again and again: rows of a list were often made together. */
const rememberedMax = 64
const times = new Float64Array(rememberedMax).fill(Number.NaN)
const texts: Array<string> = Array(rememberedMax).fill("")

/** UNIX milliseconds as a caller's date. */
export const formatDate = (time: number): string => {
  const place = time & (rememberedMax - 1)
  if (times[place] !== time) {
    texts[place] = new Date(time).toISOString()
    times[place] = time
  }
  return texts[place]!
}

/** A caller's date as UNIX milliseconds; null when it is not one, or names a day that does not exist. */
export const parseDate = (text: string): number | null => {
  if (!datePattern.test(text)) return null
  const date = DateTime.make(text)
  if (Option.isNone(date)) return null
  return DateTime.formatIso(date.value).slice(0, 19) === text.slice(0, 19) ? DateTime.toEpochMillis(date.value) : null
}

/** A caller's duration in milliseconds; null when it is not one or is too long. */
export const parseDuration = durationMs

const invalid = (expected: string) => Effect.fail(new SchemaIssue.InvalidValue({ expected }))

/** `2026-11-24T10:20:30.123Z` to UNIX milliseconds. */
export const IsoDate = Schema.String.check(Schema.isPattern(datePattern))
  .annotate({ expected: "an ISO 8601 date in UTC", format: "date-time", description: "ISO 8601, UTC, milliseconds" })
  .pipe(
    Schema.decodeTo(Schema.Number, {
      decode: SchemaGetter.transformEffect((text: string) => {
        const time = parseDate(text)
        return time === null ? invalid("an ISO 8601 date in UTC") : Effect.succeed(time)
      }),
      encode: SchemaGetter.transform(formatDate)
    })
  )

/** `PT5M` to milliseconds. */
export const IsoDuration = Schema.String.annotate({
  description: "ISO 8601 duration, e.g. PT5M",
  format: "duration"
}).pipe(
  Schema.decodeTo(Schema.Number, {
    decode: SchemaGetter.transformEffect((text: string) => {
      const duration = parseDuration(text)
      return duration === null ? invalid("an ISO 8601 duration in weeks, days and smaller") : Effect.succeed(duration)
    }),
    encode: SchemaGetter.transform((milliseconds: number) => `PT${milliseconds / 1_000}S`)
  })
)

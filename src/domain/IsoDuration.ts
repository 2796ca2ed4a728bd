/** ISO 8601 durations in weeks, days and smaller, as numbers: years and months have no fixed length. Pure. */

const pattern = /^P(?:(\d{1,5})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,3}))?S)?)?$/u

/** The longest duration that is taken. */
export const durationDaysMax = 3_660

/** In milliseconds; null when it is not one or is longer than `durationDaysMax`. */
export const durationMs = (text: string): number | null => {
  const match = pattern.exec(text)
  if (match === null || text.endsWith("P") || text.endsWith("T")) return null
  const [weeks, days, hours, minutes, seconds] = match.slice(1, 6).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number
  ]
  const milliseconds = Number((match[6] ?? "").padEnd(3, "0"))
  const total = ((((weeks * 7 + days) * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000 + milliseconds
  return total <= durationDaysMax * 86_400_000 ? total : null
}

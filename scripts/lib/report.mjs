/**
 * What a person sees while things are set up: one line when something long begins, one every few
 * seconds while it lasts, one when it is done; and one line when something cannot be had.
 */

/** A failure that a person can do something about: its message is one line and is all that is printed. */
export class Refusal extends Error {}

const everyMs = 5_000

const seconds = (since) => `${((performance.now() - since) / 1_000).toFixed(1)} s`

/** A text as one word of a shell's command line. */
export const shellWord = (text) => (/^[\w./:=-]+$/u.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

export const say = (line) => process.stdout.write(`${line}\n`)

/** Runs `work`, saying that it goes on while it does; nothing is said when it is quicker than `quietMs`. */
export const step = async (what, work, quietMs = 400) => {
  const since = performance.now()
  let said = false
  const first = setTimeout(() => {
    said = true
    say(`${what} …`)
  }, quietMs)
  const again = setInterval(() => say(`${what} … ${seconds(since)}`), everyMs)
  try {
    const result = await work()
    if (said) say(`${what}: done in ${seconds(since)}`)
    return result
  } finally {
    clearTimeout(first)
    clearInterval(again)
  }
}

/**
 * Runs `work`; what a person can do something about is one line and exit code 1. A signal ends the
 * process by `exit`, so that what hangs on that (children, locks) goes with it.
 */
export const orExplain = async (work) => {
  for (const [name, number] of [
    ["SIGHUP", 1],
    ["SIGINT", 2],
    ["SIGTERM", 15]
  ]) {
    if (process.listenerCount(name) === 0) process.once(name, () => process.exit(128 + number))
  }
  try {
    await work()
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}

/** Counts the turns of the event loop, so that a test can say what was done in one of them. */
export const turnsOfLoop = () => {
  let count = 0
  let goesOn = true
  const next = () => {
    count++
    if (goesOn) setImmediate(next)
  }
  setImmediate(next)
  return {
    now: (): number => count,
    end: (): void => {
      goesOn = false
    }
  }
}

/**
 * How often a test tries: as often as it says, and a tenth of that in `npm run check`, which takes less than a minute.
 * `npm test`, and who runs a test by itself, tries all.
 */
export const times = (all: number): number =>
  process.env.CM_TEST_TENTH === "1" ? Math.max(1, Math.ceil(all / 10)) : all

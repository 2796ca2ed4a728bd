/**
 * How much one tenant's flood moves another tenant's p99: alone, beside the same flood at an echo, and in it.
 *
 * A quiet tenant validates a hot token, reads a record, provisions and revokes, a little at a time. Floods are of six
 * kinds, each far over a limit: validations of values that nobody has (misses), changes, transitions by 16/ECAP, lists,
 * batches of changes, and batches of validations (verdicts), each of a thousand tokens that exist. What is promised is the ratio of the medians of the p99s, in the flood to beside it: at most 1.33. Why beside it and not
 * alone: `measures/fairness.ts`. The processor's share that the flood takes itself is printed, and how much of the
 * processor the service's thread takes in one go, which says the same however busy the machine is.
 *
 * `node bench/fairness.ts [rounds=5] [milliseconds=2000] [kinds, with commas]`. Exit code 1 above the promise.
 */
import { floodInFlight, prepareFairness, promised } from "./measures/fairness.ts"
import { floods } from "./support/flood.ts"
import { startGround } from "./support/ground.ts"
import { type Times, works } from "./support/quietTenant.ts"
import { median, printMachine } from "./support/report.ts"
import type { TurnsSeen } from "./support/turnsOfLoop.ts"

const [rounds = 5, milliseconds = 2_000] = process.argv.slice(2, 4).map(Number)
const kinds = process.argv[4]?.split(",") ?? floods
printMachine()
const ground = await startGround()
try {
  const asked = floods.filter((kind) => kinds.includes(kind))
  const taken = await prepareFairness(ground, milliseconds, asked)
  console.log(`${rounds} rounds of ${milliseconds} ms each, ${floodInFlight} of the flood in flight`)
  let worst = 0
  for (const kind of asked) {
    const [alone, beside, within, elsewhere]: Array<Array<Times>> = [[], [], [], []]
    for (let round = 0; round < rounds; round++) {
      alone!.push(await taken.alone())
      within!.push(await taken.within(kind))
      beside!.push(await taken.beside(kind))
      elsewhere!.push(await taken.elsewhere(kind))
    }
    const { perSecond, processors, servedPerSecond, turns } = taken.known(kind)
    const shownRate = (rate: number) => Math.round(rate).toLocaleString("en")
    console.log(
      `flood of ${kind}: ${shownRate(perSecond)} a second, ${shownRate(servedPerSecond)} of them served, itself ${processors.toFixed(2)} of a processor`
    )
    const shown = ({ longest, median, p99 }: TurnsSeen) => [median, p99, longest].map((ms) => ms.toFixed(1)).join(", ")
    console.log(
      `  the service's thread in one go, ms of the processor: ${shown(turns)} (median, p99, longest); alone ${shown(taken.turnsAlone())}`
    )
    for (const work of works) {
      const [silent, echo, other, ours] = [alone!, beside!, elsewhere!, within!].map((all) =>
        median(all.map((one) => one[work]))
      )
      const ratio = ours! / echo!
      worst = Math.max(worst, ratio)
      console.log(
        `  ${work}: p99 ${silent!.toFixed(1)} ms alone, ${echo!.toFixed(1)} ms beside it, ${other!.toFixed(1)} ms while another service has it, ${ours!.toFixed(1)} ms in it: ${ratio.toFixed(2)} (to alone ${(ours! / silent!).toFixed(2)}, to another service's ${(ours! / other!).toFixed(2)})`
      )
    }
  }
  console.log(`worst ratio: ${worst.toFixed(2)} (promised ${promised})`)
  if (worst > promised) process.exitCode = 1
} finally {
  await ground.stop()
}

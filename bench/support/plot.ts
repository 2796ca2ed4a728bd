/** A line plot as an SVG that stands alone: axes, ticks, a line and its name for each curve. */
import type { Curve, Plot } from "./measure.ts"

const [width, height] = [720, 400]
const margin = { left: 70, right: 150, top: 40, bottom: 50 }
const colours = ["#1b6ca8", "#c8553d", "#588157", "#7b4fa3", "#8a6d1d"]

const escaped = (text: string): string =>
  text.replace(/[&<>"]/gu, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[one]!)

const shown = (value: number): string => {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))}k`
  return String(Number(value.toPrecision(3)))
}

/** Round numbers from 0 up to and beyond the largest. */
const linearTicks = (max: number): ReadonlyArray<number> => {
  const raw = Math.max(max, Number.MIN_VALUE) / 5
  const magnitude = 10 ** Math.floor(Math.log10(raw))
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((one) => one >= raw)!
  return Array.from({ length: Math.ceil(max / step) + 1 }, (_, index) => index * step)
}

const powers = (min: number, max: number): ReadonlyArray<number> => {
  const first = Math.floor(Math.log10(min))
  return Array.from({ length: Math.ceil(Math.log10(max)) - first + 1 }, (_, index) => 10 ** (first + index))
}

interface Scale {
  readonly at: (value: number) => number
  readonly ticks: ReadonlyArray<number>
}

const scale = (values: ReadonlyArray<number>, isLogarithmic: boolean, from: number, to: number): Scale => {
  const ticks = isLogarithmic ? powers(Math.min(...values), Math.max(...values)) : linearTicks(Math.max(...values))
  const place = isLogarithmic ? Math.log10 : (value: number) => value
  const [low, high] = [place(ticks[0]!), place(ticks.at(-1)!)]
  return { ticks, at: (value) => from + ((place(value) - low) / (high - low || 1)) * (to - from) }
}

const curveShown = ({ name, points }: Curve, index: number, x: Scale, y: Scale): string => {
  const colour = colours[index % colours.length]!
  const places = points.map(([left, up]) => `${x.at(left).toFixed(1)},${y.at(up).toFixed(1)}`)
  const dots = places.map((place) => {
    const [left, up] = place.split(",")
    return `<circle cx="${left}" cy="${up}" r="3" fill="${colour}"/>`
  })
  const [endX, endY] = places.at(-1)!.split(",")
  return [
    `<polyline points="${places.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...dots,
    `<text x="${Number(endX) + 8}" y="${Number(endY) + 4 + (index % 2) * 12}" fill="${colour}">${escaped(name)}</text>`
  ].join("\n")
}

export const svg = (plot: Plot): string => {
  const all = plot.curves.flatMap(({ points }) => points)
  const isLogarithmic = plot.isLogarithmic ?? false
  const [right, bottom] = [width - margin.right, height - margin.bottom]
  const x = scale(
    all.map(([value]) => value),
    isLogarithmic,
    margin.left,
    right
  )
  const y = scale(
    all.map(([, value]) => value),
    isLogarithmic,
    bottom,
    margin.top
  )
  const grid = [
    ...x.ticks.map((tick) => {
      const at = x.at(tick).toFixed(1)
      return `<line x1="${at}" y1="${margin.top}" x2="${at}" y2="${bottom}" stroke="#ddd"/><text x="${at}" y="${bottom + 18}" text-anchor="middle">${shown(tick)}</text>`
    }),
    ...y.ticks.map((tick) => {
      const at = y.at(tick).toFixed(1)
      return `<line x1="${margin.left}" y1="${at}" x2="${right}" y2="${at}" stroke="#ddd"/><text x="${margin.left - 8}" y="${Number(at) + 4}" text-anchor="end">${shown(tick)}</text>`
    })
  ]
  const middle = (margin.left + right) / 2
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" role="img" aria-label="${escaped(plot.title)}">
<rect width="${width}" height="${height}" fill="white"/>
<text x="${margin.left}" y="22" font-size="15">${escaped(plot.title)}</text>
${grid.join("\n")}
${plot.curves.map((curve, index) => curveShown(curve, index, x, y)).join("\n")}
<text x="${middle}" y="${height - 10}" text-anchor="middle">${escaped(plot.xAxis)}</text>
<text transform="translate(16 ${(margin.top + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(plot.yAxis)}</text>
</svg>
`
}

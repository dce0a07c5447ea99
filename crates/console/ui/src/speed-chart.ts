// The speed of one vehicle over the last minutes.

import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Theme } from './looks'

export interface Sample {
  /** Seconds since 1970. */
  t: number
  /** Kilometres an hour; null where none was told. */
  speed: number | null
}

const INKS: Record<Theme, { line: string; fill: string; axis: string; grid: string }> = {
  dark: { line: '#2fd6a3', fill: '#2fd6a31f', axis: '#7d8a98', grid: '#ffffff0d' },
  light: { line: '#008c68', fill: '#008c6817', axis: '#68747f', grid: '#1018200f' },
}

/** A gap longer than this is drawn as one, seconds. */
const GAP_S = 20

export class SpeedChart {
  private plot: uPlot | null = null
  private samples: Sample[] = []
  private data: uPlot.AlignedData = [[], []]
  private readonly resized: ResizeObserver

  /** `pointed` is told of the sample under the pointer. */
  constructor(
    private readonly root: HTMLElement,
    private theme: Theme,
    private readonly pointed: (sample: Sample | null) => void,
  ) {
    this.resized = new ResizeObserver(() => this.plot?.setSize(this.size()))
    this.resized.observe(root)
  }

  setTheme(theme: Theme): void {
    this.theme = theme
    this.plot?.destroy()
    this.plot = null
    if (this.samples.length > 0) this.show(this.samples)
  }

  /** Shows samples in the order of their time. */
  show(samples: Sample[]): void {
    this.samples = samples
    this.data = aligned(samples)
    if (this.plot === null) this.plot = new uPlot(this.options(), this.data, this.root)
    else this.plot.setData(this.data)
  }

  destroy(): void {
    this.resized.disconnect()
    this.plot?.destroy()
    this.plot = null
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(120, this.root.clientWidth), height: 104 }
  }

  private options(): uPlot.Options {
    const ink = INKS[this.theme]
    const font = '11px system-ui, sans-serif'
    const axis = { stroke: ink.axis, font, ticks: { show: false } }
    return {
      ...this.size(),
      legend: { show: false },
      padding: [6, 16, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7, fill: ink.line, stroke: ink.line } },
      scales: {
        x: { time: true },
        y: { range: (_u, _min, max) => [0, Math.max(30, Math.ceil((max ?? 0) / 30) * 30)] },
      },
      axes: [
        {
          ...axis,
          size: 20,
          gap: 4,
          space: 60,
          incrs: [60, 120, 300, 600, 1800],
          grid: { show: false },
          values: (_u, ticks) => ticks.map(clockTime),
        },
        { ...axis, size: 30, gap: 4, space: 32, grid: { stroke: ink.grid, width: 1 } },
      ],
      series: [{}, { stroke: ink.line, fill: ink.fill, width: 1.5, points: { show: false } }],
      hooks: { setCursor: [(u) => this.point(u)] },
    }
  }

  private point(plot: uPlot): void {
    const at = plot.cursor.idx
    if (at === null || at === undefined) {
      this.pointed(null)
      return
    }
    const t = this.data[0][at]
    this.pointed(t === undefined ? null : { t, speed: this.data[1]?.[at] ?? null })
  }
}

function aligned(samples: Sample[]): uPlot.AlignedData {
  const times: number[] = []
  const speeds: (number | null)[] = []
  samples.forEach((sample, i) => {
    const before = samples[i - 1]
    if (before !== undefined && sample.t - before.t > GAP_S) {
      times.push((sample.t + before.t) / 2)
      speeds.push(null)
    }
    times.push(sample.t)
    speeds.push(sample.speed)
  })
  return [times, speeds]
}

/** "02:15" by the reader's clock. */
export function clockTime(t: number): string {
  const date = new Date(t * 1000)
  return `${String(date.getHours()).padStart(2, '0')}:${String(date.getMinutes()).padStart(2, '0')}`
}

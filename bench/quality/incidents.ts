import { toShiftAnomalies } from '../../ml/shifts/anomalies.ts'
import { openIncidentBook } from '../../ml/shifts/incidents.ts'
import { findShifts } from '../../ml/shifts/judge.ts'
import { toPanel } from './panel.ts'
import { simulateAccount } from './simulate.ts'

const seed = Number(process.argv[2] ?? 5)
let faults = 0,
  withIncident = 0,
  incidentsOfFaults = 0,
  falseIncidents = 0,
  total = 0,
  causeRight = 0,
  causeAll = 0
const severe = { right: 0, all: 0 }
for (let index = 0; index < 24; index++) {
  const account = simulateAccount({
    seed,
    index,
    days: 120,
    weekdayAmplitude: [0.1, 0.25, 0.4][index % 3]!,
    leadsPerAd: [1, 4, 12][index % 3]!,
    campaigns: 3,
    faults: 8,
    partialEnd: true,
  })
  const panel = toPanel(account, true)
  const byDay = toShiftAnomalies(panel, findShifts(panel))
  const book = openIncidentBook(panel)
  byDay.forEach((anomalies, day) => {
    if (day >= 28) book.take(day, anomalies)
  })
  const path = (i: number): number[] => {
    const p: number[] = []
    for (let k = i; k >= 0; k = panel.entities[k]!.parent) p.push(k)
    return p
  }
  const indexOf = (l: { entityId: string; level: string }): number =>
    panel.entities.findIndex((e) => e.id === l.entityId && e.level === l.level)
  const used = new Map<string, number>()
  for (const incident of book.incidents) {
    total++
    const label = account.labels.find(
      (l) =>
        incident.opened <= Math.min(l.end, l.start + 10) + 1 &&
        incident.last >= l.start &&
        [...incident.members].some((m) => path(m).includes(indexOf(l)) || path(indexOf(l)).includes(m)),
    )
    if (incident.severity === 'HIGH' || incident.severity === 'CRITICAL') {
      severe.all++
      if (label) severe.right++
    }
    if (!label) {
      falseIncidents++
      continue
    }
    used.set(label.id, (used.get(label.id) ?? 0) + 1)
    if (used.get(label.id) === 1) {
      causeAll++
      const cause = incident.causes.at(-1)?.entity ?? incident.root
      if (
        cause === indexOf(label) ||
        (panel.entities[cause]!.parent === indexOf(label) &&
          panel.entities.filter((e) => e.parent === indexOf(label)).length === 1) ||
        (panel.entities[indexOf(label)]!.parent === cause &&
          panel.entities.filter((e) => e.parent === cause).length === 1)
      )
        causeRight++
      else if (process.argv[3] === 'v')
        console.log(
          account.id,
          label.type,
          label.level,
          label.entityId,
          'root',
          panel.entities[incident.root]!.level,
          panel.entities[incident.root]!.id,
          'cause',
          panel.entities[cause]!.level,
          panel.entities[cause]!.id,
          incident.metric,
          incident.causes.map((c) => c.share.toFixed(2)).join(' '),
        )
    }
  }
  faults += account.labels.length
  withIncident += used.size
  for (const n of used.values()) incidentsOfFaults += n
}
console.log({
  faults,
  withIncident,
  perFault: (incidentsOfFaults / withIncident).toFixed(2),
  falseIncidents,
  total,
  cause: `${causeRight}/${causeAll}`,
  severe: `${severe.right}/${severe.all}`,
})

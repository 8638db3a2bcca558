import { expect } from 'chai'
import { forTerminal } from '../../../cli/wording.ts'
import { missingIncident } from '../../../shared/detection/incidents.ts'
import { missingRun } from '../../../shared/runs/runs-service.ts'

describe('what services say, at a terminal', () => {
  it('names commands instead of calls of the API', () => {
    expect(forTerminal(missingIncident(9).message)).to.equal(
      'there is no incident 9; list them with "vigia incidents list"',
    )
    expect(forTerminal(missingRun('x').message)).to.equal(
      'there is no run x; list them with "vigia runs list"',
    )
    for (const [said, told] of [
      ['list them with GET /api/v1/webhooks', 'list them with "vigia webhooks list"'],
      ['list them with GET /api/v1/ml/models', 'list them with "vigia models list --config ID"'],
      ['list them with GET /api/v1/ml/recommendations', 'list them with "vigia advice list"'],
      ['list them with GET /api/v1/series/p_7/versions', 'list them with "vigia series versions p_7"'],
      ['train it with POST /api/v1/series/p_7/train', 'train it with "vigia series train FILE --series p_7"'],
      ['with POST /api/v1/series/p/versions/v12/restore', 'with "vigia series restore p v12"'],
      ['name one with {"to":"v1"}', 'name one with --to v1'],
    ])
      expect(forTerminal(String(said))).to.equal(told)
  })

  it('leaves everything else as it is', () => {
    for (const text of ['list them with GET /api/v1/ml/classifications', 'no call: /api/v1/runs', ''])
      expect(forTerminal(text)).to.equal(text)
  })
})

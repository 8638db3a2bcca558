import { expect } from 'chai'
import { describeDiagnosis } from '../../../../cli/commands/doctor.ts'
import { loadConfig } from '../../../../shared/config.ts'

describe('what the doctor tells people', () => {
  it('has settings as an environment takes them', () => {
    const text = describeDiagnosis({
      status: 'ok',
      checks: [{ check: 'node', status: 'ok', message: '20.20.2', advice: null }],
      configuration: loadConfig({ WEBHOOK_ALLOW: '10.0.0.0/8,127.0.0.1/32' }),
    })
    const lines = text.split('\n')
    expect(lines).to.include('  SERIES_MODELS=zscore,isolation_forest')
    expect(lines).to.include('  WEBHOOK_ALLOW=10.0.0.0/8,127.0.0.1/32')
    expect(lines).to.include('  USE_ALERT_GATE=true')
    expect(lines.at(-1)).to.equal('Everything is in order.')
  })
})

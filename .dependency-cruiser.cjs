/**
 * Who may import whom: ml <- shared <- db <- api | workers | scheduler <- cli. Types count like code here;
 * the two rules that let types pass read the compiled files (`.dependency-cruiser.compiled.cjs`).
 * Needs @swc/core: dependency-cruiser alone sees no TypeScript 7. `test/unit/imports.test.ts` proves that
 * every rule fires.
 */
const PROCESSES = '^(api|workers|scheduler)/'
/** The parts lists: the only files of a process that may open a store. */
const ROOTS = '/(main|compose)\\.ts$'
const HARNESS = '^(test|bench)/'

/** A package with one home: nothing outside `home` may import it. */
const home = (name, packages, folders) => ({
  name: `${name}-has-one-home`,
  comment: `${name} is used in ${folders.join(' and ')} alone`,
  severity: 'error',
  from: { pathNot: [HARNESS, ...folders] },
  to: { path: packages.map((p) => `node_modules/${p}/`) },
})

/** Heavy packages of one part of ml each. */
const NUMERIC = [
  { name: 'tensorflow', packages: ['node_modules/@tensorflow/'], folder: '^ml/tensor/' },
  { name: 'augurs', packages: ['node_modules/@bsull/'], folder: '^ml/forecast/' },
]

module.exports = {
  forbidden: [
    {
      name: 'ml-is-pure',
      comment: 'ml imports ml and pure numeric packages only: no Node built-ins, no I/O, no clock',
      severity: 'error',
      from: { path: '^ml/' },
      to: {
        pathNot: [
          '^ml/',
          'node_modules/@stdlib/stats-base-dists-',
          ...NUMERIC.flatMap(({ packages }) => packages),
        ],
      },
    },
    {
      name: 'shared-never-looks-up',
      comment: 'shared knows ml and itself; what remembers and what serves is handed to it',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(db|api|workers|scheduler|cli|test|bench)/' },
    },
    {
      name: 'db-never-looks-up',
      comment: 'db knows no process',
      severity: 'error',
      from: { path: '^db/' },
      to: { path: '^(api|workers|scheduler|cli|test|bench)/' },
    },
    {
      name: 'processes-are-strangers',
      comment: 'api, workers and scheduler meet in queues and tables only',
      severity: 'error',
      from: { path: '^(api|workers|scheduler)/' },
      to: { path: PROCESSES, pathNot: '^$1/' },
    },
    {
      name: 'only-roots-open-stores',
      comment: 'main.ts or compose.ts wires db into a process',
      severity: 'error',
      from: { path: PROCESSES, pathNot: ROOTS },
      to: { path: '^db/' },
    },
    {
      name: 'nothing-imports-cli',
      comment: 'cli stands on top',
      severity: 'error',
      from: { pathNot: ['^cli/', HARNESS] },
      to: { path: '^cli/' },
    },
    {
      name: 'web-stands-alone',
      comment: 'web runs in browsers: it knows itself and the types of what is loaded before it',
      severity: 'error',
      from: { path: '^web/' },
      to: { pathNot: ['^web/', 'node_modules/uplot/'] },
    },
    {
      name: 'nothing-imports-web',
      comment: 'its files are served, not run here',
      severity: 'error',
      from: { pathNot: '^web/' },
      to: { path: '^web/' },
    },
    {
      name: 'product-without-harness',
      comment: 'the product runs without its tests and benchmarks',
      severity: 'error',
      from: { pathNot: HARNESS },
      to: { path: HARNESS },
    },
    ...NUMERIC.map(({ name, packages, folder }) => ({
      name: `${name}-has-one-home`,
      comment: `${name} is used in ${folder} alone`,
      severity: 'error',
      from: { pathNot: [HARNESS, folder] },
      to: { path: packages },
    })),
    home('bullmq', ['bullmq', 'bullmq-otel'], ['^shared/queue/', '^api/board\\.ts$']),
    home('knex', ['knex', 'pg'], ['^db/']),
    home('express', ['express', '@bull-board', 'helmet', 'swagger-ui-dist'], ['^api/']),
    home('node-cron', ['node-cron'], ['^scheduler/']),
    home('commander', ['commander', 'cli-progress'], ['^cli/']),
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
}

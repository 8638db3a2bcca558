/**
 * The rules that tell code from types. Compiled files hold no type-only import any more, so what is left
 * is code (the swc parser cannot tell the two apart in the sources).
 */
module.exports = {
  forbidden: [
    {
      name: 'db-takes-types-from-shared',
      comment: 'db implements interfaces of shared; code it takes from shared/core alone',
      severity: 'error',
      from: { path: '^dist/db/' },
      to: { path: '^dist/shared/', pathNot: '^dist/shared/core/' },
    },
    {
      name: 'no-circles',
      comment: 'modules whose code needs each other are one module',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}

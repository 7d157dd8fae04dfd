// Strict typed rules, and the walls between rooms: a room imports only what DESIGN lets it see.
import tseslint from 'typescript-eslint'

/** `from` may not import anything that matches `patterns`. */
function wall(from, patterns, reason) {
  return {
    files: [`src/${from}/**/*.ts`],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        { patterns: [{ group: patterns, allowTypeImports: false, message: reason }] },
      ],
    },
  }
}

const addon = ['**/sentinode.node', '**/sentinode_apart.node', 'node:module']
const grpc = ['@grpc/*', 'grpc-health-check', '**/grpc/**']

export default tseslint.config(
  {
    ignores: [
      'node_modules/',
      'dist/',
      'build*/',
      '.setup/',
      'src/generated/',
      'tests/fixtures/',
      '**/*.mjs',
      '*.js',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  wall(
    'scheduling',
    [...addon, ...grpc, '**/engine/**', '**/daemon/**', '**/models/**'],
    'scheduling knows neither gRPC nor the engine',
  ),
  wall(
    'compiler',
    [...addon, ...grpc, '**/engine/**', '**/daemon/**', '**/models/**', '**/scheduling/**'],
    'the compiler is pure',
  ),
  wall(
    'exam',
    [...addon, ...grpc, '**/engine/**', '**/daemon/**', '**/scheduling/**'],
    'exam knows no gRPC, no engine and no scheduler',
  ),
  wall(
    'screening',
    [...addon, ...grpc, '**/daemon/**', '**/scheduling/**'],
    'screening knows no gRPC and no scheduler',
  ),
  wall(
    'intake',
    [...addon, ...grpc, '**/engine/**', '**/daemon/**', '**/models/**', '**/scheduling/**'],
    'intake holds exams and reads them; it knows neither gRPC nor what answers',
  ),
  wall(
    'apart',
    [...grpc, '**/engine/**', '**/exam/**', '**/intake/**', '**/daemon/**'],
    'apart knows what the system offers and nobody above it',
  ),
  wall(
    'simulation',
    [
      ...addon,
      ...grpc,
      '**/engine/**',
      '**/daemon/**',
      '**/scheduling/**',
      '**/models/**',
      '**/compiler/**',
      '**/screening/**',
      '**/cli/**',
    ],
    'simulation is pure: seeds in, exams out',
  ),
  wall('engine', [...grpc, '**/daemon/**', '**/models/**'], 'engine knows the addon and nobody above it'),
  wall('models', [...addon, '@grpc/*', '**/grpc/**', '**/daemon/**'], 'models knows no gRPC and no daemon'),
  wall('metrics', [...addon, ...grpc, '**/engine/**', '**/daemon/**'], 'metrics only counts what it is told'),
  wall(
    'grpc',
    [...addon, '**/daemon/**', '**/compiler/**'],
    'only the daemon knows everyone; only engine touches the addon',
  ),
  wall(
    'client',
    [...addon, '**/grpc/**', '**/engine/**', '**/daemon/**', '**/models/**', '**/scheduling/**'],
    'the client knows the protocol and nothing of the daemon',
  ),
  wall('config', [...addon, ...grpc, '**/engine/**', '**/daemon/**'], 'config is data'),
)

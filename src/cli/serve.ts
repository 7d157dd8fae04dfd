import { Option, type Command } from 'commander'
import { describeConfig, loadConfig } from '../config/load.js'
import {
  camelCase,
  environmentName,
  settingKeys,
  settings,
  type Config,
  type SettingKey,
} from '../config/schema.js'
import { repeated } from './option-values.js'

/** `sentinode serve`: the daemon. Every setting is a flag; see src/config/schema.ts. */
export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .description('serve models over gRPC until SIGTERM or SIGINT')
    .option('--config <file>', 'settings in a YAML or JSON file (env: SENTINODE_CONFIG)')
    .option('--print-config', 'print the settings in effect as JSON and exit')
    .option('--check-config', 'check the settings and the files they name, and exit')
  for (const key of settingKeys) command.addOption(flag(key))
  command.addHelpText('after', '\nPrecedence: --config file < environment < flags. Logs go to stderr.')
  command.action(async (options: Record<string, unknown>) => {
    const config = loadConfig({
      file: (options['config'] as string | undefined) ?? process.env['SENTINODE_CONFIG'] ?? null,
      environment: process.env,
      flags: givenFlags(command, options),
    })
    if (options['printConfig'] === true) printJson(describeConfig(config))
    else if (options['checkConfig'] === true) await check(config)
    else {
      // Loaded here, so that help and errors of usage do not wait for the engine.
      const { serve } = await import('../daemon/serve.js')
      await serve(config)
    }
  })
}

function flag(key: SettingKey): Option {
  const setting = settings[key]
  const standard = setting.parse(undefined)
  const text =
    standard === null || (Array.isArray(standard) && standard.length === 0)
      ? ''
      : `, default ${String(standard)}`
  const description = `${setting.description ?? ''} (env: ${environmentName(key)}${text})`
  if (standard === true) return new Option(`--no-${key}`, `do not: ${description}`)
  if (standard === false) return new Option(`--${key}`, description)
  const option = new Option(`--${key} <value>`, description)
  return Array.isArray(standard) ? option.argParser(repeated) : option
}

/** Only what stood on the command line: everything else has its say from the file or the environment. */
function givenFlags(
  command: Command,
  options: Record<string, unknown>,
): Partial<Record<SettingKey, unknown>> {
  const given = settingKeys.filter((key) => command.getOptionValueSource(camelCase(key)) === 'cli')
  return Object.fromEntries(given.map((key) => [key, options[camelCase(key)]]))
}

async function check(config: Config): Promise<void> {
  const { checkConfig } = await import('../daemon/check.js')
  await checkConfig(config)
  printJson({ ok: true })
}

function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

import { type Command, Option } from 'commander';
import { FIELD_DEFAULTS } from '../spec/field-defaults.ts';
import { type FlagValues, JOB_FLAGS } from '../spec/flags.ts';
import { collect } from './parse-options.ts';

/** Heading of the flags that are no part of the specification. */
export const BEHAVIOUR = 'Behaviour:';

/** Headings of the help, by what a flag's field is about. */
const GROUPS: Readonly<Record<string, string>> = {
  model_id: 'Model:',
  input: 'Input:',
  output: 'Output:',
  config: 'Limits:',
};
const ORDER = ['Input:', 'Model:', 'Output:', 'Limits:', BEHAVIOUR];

/** Flags that say what a job is to do, under headings: all, or those of some fields. */
export function jobOptions(fields?: readonly string[]): Option[] {
  const flags = fields === undefined ? JOB_FLAGS : JOB_FLAGS.filter(({ field }) => fields.includes(field));
  const options = flags.map(({ flag, value, kind, field, help }) => {
    const fallback = FIELD_DEFAULTS[field];
    const shown = fallback === undefined ? help : `${help} (default: ${fallback})`;
    const option = new Option(value === undefined ? flag : `${flag} ${value}`, shown);
    if (
      kind === 'paths' ||
      kind === 'texts' ||
      kind === 'list' ||
      kind === 'list-or-auto' ||
      kind === 'pairs'
    )
      option.argParser(collect);
    return option.helpGroup(GROUPS[field.split('.')[0] ?? ''] ?? BEHAVIOUR);
  });
  const place = ({ helpGroupHeading = BEHAVIOUR }: Option) => ORDER.indexOf(helpGroupHeading);
  return options.toSorted((a, b) => place(a) - place(b));
}

/** What was given of them, by flag. */
export function flagValues(command: Command, options: Readonly<Record<string, unknown>>): FlagValues {
  return Object.fromEntries(
    command.options.map((option) => [option.long, options[option.attributeName()]]),
  ) as FlagValues;
}

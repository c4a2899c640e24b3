/** Rules that the form adds and removes; the API keeps them apart from the job. */

import type { RuleInput } from '../../api/queries/editor';

export interface NewRule {
  event: string;
  /** Empty: at each failure. */
  afterFailures: string;
  channel: string;
}

export interface RuleDraft {
  added: readonly NewRule[];
  removed: readonly string[];
}

export const NO_RULES: RuleDraft = { added: [], removed: [] };

/** Whether a rule counts failures. */
export function countsFailures(event: string): boolean {
  return event === 'on_failure' || event === 'on_recovery';
}

export function ruleInputs(rules: readonly NewRule[]): RuleInput[] {
  return rules
    .filter((rule) => rule.channel !== '')
    .map(({ event, afterFailures, channel }) => ({
      event: event as RuleInput['event'],
      channel_id: channel,
      ...(countsFailures(event) && afterFailures.trim() !== '' && { after_failures: Number(afterFailures) }),
    }));
}

export function ruleChangeCount({ added, removed }: RuleDraft): number {
  return added.filter((rule) => rule.channel !== '').length + removed.length;
}

import { useState } from 'react';

/** What was sent to an address. It stands behind # in the address of the page, so that no log has it. */
export function useVerification(): string | null {
  const [verification] = useState(() => /^#?(trv_[0-9A-Za-z]+)$/.exec(location.hash)?.[1] ?? null);
  return verification;
}

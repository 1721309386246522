export const onRecord: readonly { failure: string; kinds: readonly string[] }[] = [];

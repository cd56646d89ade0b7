import { createModelClient, type ModelClient } from '../../../client/model-client.ts';
import { connect } from '../../connect.ts';
import { transportTo } from '../../transport-to.ts';

/** Runs `work` against the manager of a state folder, the live one or one of its own. */
export async function withModels<Result>(
  state: string,
  work: (models: ModelClient) => Promise<Result>,
): Promise<Result> {
  const connection = await connect(state);
  try {
    return await work(createModelClient(transportTo(connection.endpoint, 8)));
  } finally {
    await connection.close();
  }
}

import type { RecordingNotice } from '../../gateway-core/contract/bridge/app.js';

/** What a gateway records of the people who work through it, in its own words. */
export function RecordingNoticeText({ notice }: { readonly notice: RecordingNotice }) {
  const { what, who, recordingDays } = notice;
  return (
    <div className="tl-recording-notice">
      <ul>
        {what.map((each) => (
          <li key={each}>{each}</li>
        ))}
      </ul>
      <p>{who}</p>
      <p>
        {recordingDays === undefined
          ? 'Recordings are kept until an admin deletes them.'
          : `Recordings are deleted after ${recordingDays} days.`}{' '}
        The audit log, which holds no values, is kept for good.
      </p>
    </div>
  );
}

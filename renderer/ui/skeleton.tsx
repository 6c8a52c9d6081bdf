import { useEffect, useState } from 'react';

/** What comes within this time needs no picture of waiting: it would only flicker. */
const patienceMs = 200;

/** Waiting, said to those who do not see it, shown only when it lasts. */
export function Skeleton({ label }: { readonly label: string }) {
  const [shown, setShown] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setShown(true), patienceMs);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="tl-skeleton" role="status" aria-label={label}>
      {shown && (
        <>
          <span style={{ width: '42%' }} />
          <span style={{ width: '68%' }} />
          <span style={{ width: '55%' }} />
          <em>{label}…</em>
        </>
      )}
    </div>
  );
}

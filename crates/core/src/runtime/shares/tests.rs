use super::*;
use futures_util::poll;
use std::pin::pin;

type Shares = super::Shares<[Uuid; 3]>;
type Share = super::Share<[Uuid; 3]>;

fn owner(account: u128, workspace: u128, job: u128) -> [Uuid; 3] {
    [account, workspace, job].map(Uuid::from_u128)
}

/// Takes one at a time until the owner may hold no more.
fn take_all(shares: &Shares, owner: [Uuid; 3]) -> Vec<Share> {
    std::iter::from_fn(|| shares.try_take(owner, 1)).collect()
}

#[test]
fn greedy_accounts_leave_room_for_the_next() {
    let shares = Shares::new(4096, 12);
    let mut held = Vec::new();
    for account in 1..=16 {
        held.push(take_all(&shares, owner(account, account, account)));
    }
    let counts: Vec<usize> = held.iter().map(Vec::len).collect();
    assert!(counts[0] > 1024 && counts[0] < 2048 && counts[15] > 16, "{counts:?}");
    assert!(shares.available(&owner(17, 17, 17)) > 16);
}

#[test]
fn what_comes_back_soon_is_lent_up_to_half() {
    let (shares, owner) = (Shares::new(4096, 12), owner(1, 1, 1));
    let mut most = 0;
    for _ in 0..10 {
        most = take_all(&shares, owner).len();
    }
    assert!(most > 1024 && most <= 2048, "{most}");
}

#[test]
fn returns_are_forgotten() {
    let (at, amount) = (Instant::now(), 1000.0);
    let recent = [0, 1, 2, 3].map(|seconds| Returns { amount, at }.recent(at + seconds * SOON));
    assert_eq!(recent, [1000.0, 500.0, 0.0, 0.0]);
}

#[test]
fn workspaces_of_one_account_share_its_part() {
    let shares = Shares::new(4096, 100);
    let held: Vec<Share> =
        (1..=20).flat_map(|workspace| take_all(&shares, owner(1, workspace, workspace))).collect();
    assert!(held.len() <= 2048, "{}", held.len());
    assert!(shares.available(&owner(2, 100, 100)) > 1000);
}

#[test]
fn a_greedy_job_leaves_room_for_the_other_jobs_of_its_workspace() {
    let shares = Shares::new(4096, 100);
    let greedy = take_all(&shares, owner(1, 1, 1));
    assert!(greedy.len() > 1024, "{}", greedy.len());
    assert!(shares.available(&owner(1, 1, 2)) > 100);
    assert!(shares.available(&owner(1, 2, 3)) > 100);
}

#[test]
fn an_owner_that_is_alone_gets_the_most_that_one_may_hold() {
    let (shares, owner) = (Shares::new(4096, 12), owner(1, 1, 1));
    let most = shares.lock().most_of_one_owner(3);
    assert!(shares.try_take(owner, most).is_some());
}

#[test]
fn a_small_capacity_serves_everybody() {
    let shares = Shares::new(1, 100);
    let held = shares.try_take(owner(1, 1, 1), 1).unwrap();
    assert!(shares.try_take(owner(2, 2, 2), 1).is_none());
    drop(held);
    assert!(shares.try_take(owner(2, 2, 2), 1).is_some());
}

#[tokio::test]
async fn owners_take_turns() {
    let shares = Shares::new(8, 100);
    let mut held: Vec<Share> = (1..=8).filter_map(|id| shares.try_take(owner(id, id, id), 1)).collect();
    assert_eq!(held.len(), 8);
    let (greedy, modest) = (owner(10, 10, 10), owner(11, 11, 11));
    let (mut first, mut second) = (pin!(shares.take(greedy, 1)), pin!(shares.take(greedy, 1)));
    let mut third = pin!(shares.take(modest, 1));
    assert!(poll!(&mut first).is_pending() && poll!(&mut second).is_pending());
    assert!(poll!(&mut third).is_pending());
    held.pop();
    let first = poll!(&mut first);
    assert!(first.is_ready());
    held.pop();
    assert!(poll!(&mut second).is_pending());
    assert!(poll!(&mut third).is_ready());
}

#[tokio::test]
async fn what_was_granted_to_a_waiter_that_is_gone_is_given_back() {
    let shares = Shares::new(1, 100);
    let held = shares.try_take(owner(1, 1, 1), 1);
    {
        let mut waiting = pin!(shares.take(owner(2, 2, 2), 1));
        assert!(poll!(&mut waiting).is_pending());
        drop(held);
    }
    assert_eq!(shares.free(), 1);
    let held = shares.try_take(owner(1, 1, 1), 1);
    {
        let mut waiting = pin!(shares.take(owner(2, 2, 2), 1));
        assert!(poll!(&mut waiting).is_pending());
    }
    drop(held);
    assert_eq!(shares.free(), 1);
}

#[tokio::test]
async fn waiters_that_give_up_leave_no_trace() {
    let shares = Shares::new(1, 100);
    let _held = shares.try_take(owner(1, 1, 1), 1);
    for _ in 0..10_000 {
        let mut waiting = pin!(shares.take(owner(2, 2, 2), 1));
        assert!(poll!(&mut waiting).is_pending());
    }
    let left = shares
        .lock()
        .all
        .at(&owner(2, 2, 2))
        .map_or(0, |part| part.inner.as_ref().map_or(0, |inner| inner.waiting.capacity()));
    assert!(left < 100, "{left}");
}

#[test]
fn a_share_grows_within_its_limit() {
    let shares = Shares::new(100, 100);
    let mut share = shares.try_take(owner(1, 1, 1), 10).unwrap();
    assert!(share.try_grow(20));
    assert!(!share.try_grow(80));
    drop(share);
    assert_eq!(shares.free(), 100);
}

#[test]
fn owners_of_one_level_leave_as_much_as_they_hold() {
    let shares = super::Shares::new(12, 100);
    let take_all = |account: u128| -> Vec<_> {
        std::iter::from_fn(|| shares.try_take([Uuid::from_u128(account)], 1)).collect()
    };
    let held = [1, 2, 3].map(take_all);
    assert_eq!(held.each_ref().map(Vec::len), [6, 3, 2]);
    drop(held);
    assert_eq!(take_all(4).len(), 6);
}

#[tokio::test]
async fn nothing_of_an_owner_that_holds_nothing_is_kept() {
    let shares = Shares::new(4, 100);
    let mut held = take_all(&shares, owner(1, 1, 1));
    let mut waiting = Box::pin(shares.take(owner(1, 1, 2), 4));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(shares.waiting(&owner(1, 1, 2)), 1);
    held.clear();
    assert!(poll!(&mut waiting).is_ready());
    assert!(shares.lock().all.at(&owner(1, 1, 1)[..1]).is_none());
    assert_eq!(shares.free(), 4);
}

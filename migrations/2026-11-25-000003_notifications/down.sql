drop table notification_attempts;
drop table notifications;
drop table notification_rules;
drop table channels;

"""The topic through which a person is told, and who listens."""

from collections.abc import Sequence
from decimal import Decimal

from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct


class Notices(Construct):
    """Receipts, warnings and failures. Unencrypted at rest, as CloudWatch cannot use the key that costs nothing."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic_name: str,
        emails: Sequence[str],
        monthly_budget_usd: Decimal | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", topic_name=topic_name, enforce_ssl=True)
        for principal in ("cloudwatch.amazonaws.com", "events.amazonaws.com"):
            self.topic.grant_publish(iam.ServicePrincipal(principal))
        for email in emails:
            self.topic.add_subscription(subscriptions.EmailSubscription(email))
        if emails and monthly_budget_usd is not None:
            self._aws_budget(emails, monthly_budget_usd)

    def _aws_budget(self, emails: Sequence[str], usd: Decimal) -> None:
        """AWS's own count, hours late but the one that is billed: it tells a person and does nothing else.

        It counts all of the account's SageMaker, as a budget by tag needs the tag activated by hand.
        """
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=float(usd), unit="USD"),
                cost_filters={"Service": ["Amazon SageMaker"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type="ACTUAL",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(address=email, subscription_type="EMAIL")
                        for email in emails
                    ],
                )
                for percent in (80, 100)
            ],
        )

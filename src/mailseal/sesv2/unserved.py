"""The operations of the SES API v2 that Mailseal knows by name and does not serve.

Rule: pure; data only. A test holds the list against botocore's model.
References: AWS SESv2 SendBulkEmail and its neighbours.
"""

from __future__ import annotations

_LINES = """
POST identity/certificates AssociateEmailIdentityCertificate
POST metrics/batch BatchGetMetricData
PUT export-jobs/{}/cancel CancelExportJob
POST configuration-sets/{}/event-destinations CreateConfigurationSetEventDestination
POST contact-lists/{}/contacts CreateContact
POST contact-lists CreateContactList
POST custom-verification-email-templates CreateCustomVerificationEmailTemplate
POST dedicated-ip-pools CreateDedicatedIpPool
POST deliverability-dashboard/test CreateDeliverabilityTestReport
POST templates CreateEmailTemplate
POST export-jobs CreateExportJob
POST import-jobs CreateImportJob
POST multi-region-endpoints CreateMultiRegionEndpoint
POST tenants CreateTenant
POST tenants/resources CreateTenantResourceAssociation
DELETE configuration-sets/{}/event-destinations/{} DeleteConfigurationSetEventDestination
DELETE contact-lists/{}/contacts/{} DeleteContact
DELETE contact-lists/{} DeleteContactList
DELETE custom-verification-email-templates/{} DeleteCustomVerificationEmailTemplate
DELETE dedicated-ip-pools/{} DeleteDedicatedIpPool
DELETE templates/{} DeleteEmailTemplate
DELETE multi-region-endpoints/{} DeleteMultiRegionEndpoint
DELETE suppression/addresses/{} DeleteSuppressedDestination
POST tenants/delete DeleteTenant
POST tenants/resources/delete DeleteTenantResourceAssociation
POST identity/certificates/delete DisassociateEmailIdentityCertificate
GET deliverability-dashboard/blacklist-report GetBlacklistReports
GET configuration-sets/{}/event-destinations GetConfigurationSetEventDestinations
GET contact-lists/{}/contacts/{} GetContact
GET contact-lists/{} GetContactList
GET custom-verification-email-templates/{} GetCustomVerificationEmailTemplate
GET dedicated-ips/{} GetDedicatedIp
GET dedicated-ip-pools/{} GetDedicatedIpPool
GET dedicated-ips GetDedicatedIps
GET deliverability-dashboard GetDeliverabilityDashboardOptions
GET deliverability-dashboard/test-reports/{} GetDeliverabilityTestReport
GET deliverability-dashboard/campaigns/{} GetDomainDeliverabilityCampaign
GET deliverability-dashboard/statistics-report/{} GetDomainStatisticsReport
POST email-address-insights/ GetEmailAddressInsights
GET templates/{} GetEmailTemplate
GET export-jobs/{} GetExportJob
GET import-jobs/{} GetImportJob
GET insights/{}/ GetMessageInsights
GET multi-region-endpoints/{} GetMultiRegionEndpoint
GET reputation/entities/{}/{} GetReputationEntity
GET suppression/addresses/{} GetSuppressedDestination
POST tenants/get GetTenant
GET contact-lists ListContactLists
POST contact-lists/{}/contacts/list ListContacts
GET custom-verification-email-templates ListCustomVerificationEmailTemplates
GET dedicated-ip-pools ListDedicatedIpPools
GET deliverability-dashboard/test-reports ListDeliverabilityTestReports
GET deliverability-dashboard/domains/{}/campaigns ListDomainDeliverabilityCampaigns
POST identity/certificates/list ListEmailIdentityCertificates
GET templates ListEmailTemplates
POST list-export-jobs ListExportJobs
POST import-jobs/list ListImportJobs
GET multi-region-endpoints ListMultiRegionEndpoints
POST vdm/recommendations ListRecommendations
POST reputation/entities ListReputationEntities
POST resources/tenants/list ListResourceTenants
GET suppression/addresses ListSuppressedDestinations
POST tenants/resources/list ListTenantResources
POST tenants/list ListTenants
PUT account/dedicated-ips/warmup PutAccountDedicatedIpWarmupAttributes
POST account/details PutAccountDetails
PUT account/pricing-attributes PutAccountPricingAttributes
PUT account/sending PutAccountSendingAttributes
PUT account/suppression PutAccountSuppressionAttributes
PUT account/vdm PutAccountVdmAttributes
PUT configuration-sets/{}/archiving-options PutConfigurationSetArchivingOptions
PUT configuration-sets/{}/delivery-options PutConfigurationSetDeliveryOptions
PUT configuration-sets/{}/reputation-options PutConfigurationSetReputationOptions
PUT configuration-sets/{}/sending PutConfigurationSetSendingOptions
PUT configuration-sets/{}/suppression-options PutConfigurationSetSuppressionOptions
PUT configuration-sets/{}/tracking-options PutConfigurationSetTrackingOptions
PUT configuration-sets/{}/vdm-options PutConfigurationSetVdmOptions
PUT dedicated-ips/{}/pool PutDedicatedIpInPool
PUT dedicated-ip-pools/{}/scaling PutDedicatedIpPoolScalingAttributes
PUT dedicated-ips/{}/warmup PutDedicatedIpWarmupAttributes
PUT deliverability-dashboard PutDeliverabilityDashboardOption
PUT suppression/addresses PutSuppressedDestination
POST tenant/suppression PutTenantSuppressionAttributes
POST outbound-bulk-emails SendBulkEmail
POST outbound-custom-verification-emails SendCustomVerificationEmail
POST templates/{}/render TestRenderEmailTemplate
POST update-configuration-sets UpdateConfigurationSet
PUT configuration-sets/{}/event-destinations/{} UpdateConfigurationSetEventDestination
PUT contact-lists/{}/contacts/{} UpdateContact
PUT contact-lists/{} UpdateContactList
PUT custom-verification-email-templates/{} UpdateCustomVerificationEmailTemplate
PUT templates/{} UpdateEmailTemplate
PUT reputation/entities/{}/{}/customer-managed-status UpdateReputationEntityCustomerManagedStatus
PUT reputation/entities/{}/{}/policy UpdateReputationEntityPolicy
"""


def _rows(lines: str) -> tuple[tuple[str, str, str], ...]:
    cut = [line.split(" ") for line in lines.strip().splitlines()]
    return tuple((method, f"/v2/email/{path}", name) for method, path, name in cut)


UNSERVED = _rows(_LINES)
"""(method, path with {} for a label, AWS's name) of each."""
